import type { Interceptor } from 'slonik'

/** The name of the statement that binds an organisation, its one value, until the transaction ends. */
export const BIND_ORGANIZATION = 'bind-organization'

const FUNCTION = 'bound_organization()'

/**
 * Sends the bound organisation along with each statement that asks for it, as a value in the place of the function: where tables
 * are distributed by organisation, a value tells the shard before anything runs, and a function's result does not. Row-level
 * security goes on asking the function.
 */
export function nameOrganization(): Interceptor {
  const bound = new Map<string, { transaction: string; organization: string }>()
  return {
    name: 'name-organization',
    transformQuery: ({ connectionId, transactionId }, query) => {
      if (query.name === BIND_ORGANIZATION && transactionId !== null)
        bound.set(connectionId, { transaction: transactionId, organization: String(query.values[0]) })
      const here = bound.get(connectionId)
      if (!here?.organization || here.transaction !== transactionId || !query.sql.includes(FUNCTION)) return query
      return {
        ...query,
        // A connection knows one text by a name.
        ...(query.name && { name: `${query.name}-bound` }),
        sql: query.sql.replaceAll(FUNCTION, `$${query.values.length + 1}::uuid`),
        values: [...query.values, here.organization],
      }
    },
    beforePoolConnectionRelease: ({ connectionId }) => {
      bound.delete(connectionId)
      return null
    },
  }
}
