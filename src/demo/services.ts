/** The services of an invented firm that leases coffee machines to offices; the names are the categories that triage learns. */
export const SERVICES = [
  {
    name: 'Machine repair',
    description: 'A coffee machine that is broken: leaks, error codes, grinder, brewing unit, milk system, no heat, strange noises.',
    default_priority: 'high',
  },
  {
    name: 'Supplies',
    description: 'Ordering and delivery of beans, milk, cups, cleaning tablets, descaler and water filters; missing or wrong parcels.',
    default_priority: 'medium',
  },
  {
    name: 'Billing',
    description: 'Invoices, payments, direct debit, credit notes, tax numbers, purchase order numbers and reminders.',
    default_priority: 'medium',
  },
  {
    name: 'Contracts',
    description: 'Leasing contracts: term, renewal, cancellation, moving a machine to another address, adding or exchanging machines.',
    default_priority: 'low',
  },
  {
    name: 'Customer portal',
    description: 'Signing in to the portal, passwords, two-step codes, users and permissions, the ordering app and its notifications.',
    default_priority: 'medium',
  },
  {
    name: 'Cleaning and hygiene',
    description: 'Daily cleaning, descaling programmes, hygiene inspections, protocols, odours and residue.',
    default_priority: 'low',
  },
] as const

export type ServiceName = (typeof SERVICES)[number]['name']
