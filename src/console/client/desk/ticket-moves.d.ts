/** Where a ticket can go from each status: written into the bundle from the ticket machine, see build.ts. */
declare const TICKET_MOVES: Readonly<Record<string, readonly string[]>>
