import type { TicketViewer } from '#db/tickets.ts'
import type { Role } from '#db/users.ts'
import type { Tenant } from './scope.ts'

/** A customer sees the own tickets, a customers' admin those of all customers, staff every ticket of the organisation. */
export function viewerOf(tenant: Tenant): TicketViewer {
  if (tenant.role === 'customer_user') return { user_id: tenant.user_id, sees: 'own' }
  if (tenant.role === 'customer_admin') return { user_id: tenant.user_id, sees: 'customers' }
  return { user_id: tenant.user_id, sees: 'all' }
}

/** Whether the tenant works for the organisation: sees what is internal, and may file for somebody else. */
export function isStaff(tenant: Tenant): boolean {
  return isStaffRole(tenant.role)
}

export function isStaffRole(role: Role): boolean {
  return role === 'agent' || role === 'manager' || role === 'admin'
}
