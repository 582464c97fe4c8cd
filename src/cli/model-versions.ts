import type { CommonQueryMethods, DatabasePool } from '#db/pool.ts'

/** The id of an organisation by its slug. @throws Refusal where there is none */
export async function organizationOf(system: DatabasePool, slug: string): Promise<string> {
  const { namedOrganization } = await import('./operator.ts')
  return (await namedOrganization(system, slug))!
}

/** Notes in the organisation's audit what somebody at the command line did to its models. */
export async function auditModels(
  tx: CommonQueryMethods,
  organizationId: string,
  action: `${'ai_model' | 'sla_model'}.${'train' | 'activate'}`,
  details: Record<string, unknown>,
): Promise<void> {
  const [{ auditMachineAct }, { actor }] = await Promise.all([import('#db/machine-audit.ts'), import('./operator.ts')])
  await auditMachineAct(tx, {
    organization_id: organizationId,
    action,
    entity_type: action.split('.', 1)[0]!,
    entity_id: organizationId,
    details: { ...actor(), ...details },
  })
}
