/** Help articles of the demo organisation. The last one is for staff only. */
export const ARTICLES: readonly { slug: string; title: string; content: string; internal?: boolean }[] = [
  {
    slug: 'error-e12-water',
    title: 'Error E12: the machine gets no water',
    content: `Error E12 appears when the flow meter counts no water although the pump is running.

Check first that the tap behind the machine is open and that the hose has no kink. On machines with a tank, take the tank out, rinse the valve at its bottom and push it back until it clicks.

A used-up water filter is the most frequent cause. Turn the filter head a quarter to the left, put in a new cartridge and let two litres run through with the hot water button. Then switch the machine off at the back, wait thirty seconds and switch it on again.

If E12 comes back within a day, the flow meter has to be exchanged. Send us the serial number, which you find inside the front door, and we will send a technician.`,
  },
  {
    slug: 'machine-leaks',
    title: 'Water under the machine: find out where it leaks',
    content: `Put a dry sheet of kitchen paper under the machine and watch where it gets wet first.

Wet at the front: the drip tray is full or sits askew. Empty it, dry the contacts at its back and push it in evenly.

Wet at the back: the hose to the tap has come loose. Close the tap at once, turn the union nut hand-tight and open the tap slowly.

Wet in the middle: a seal of the brewing unit or the boiler is worn. Switch the machine off, close the tap and report the leak as urgent, because water may reach the electronics. Do not go on brewing. A technician exchanges the seals on site within one working day; it takes about forty minutes.`,
  },
  {
    slug: 'grinder-blocked',
    title: 'The grinder is loud, blocked or grinds too coarse',
    content: `A grinder that hums without grinding is blocked, mostly by a small stone or by oily beans.

Switch the machine off and unplug it. Take out the bean container, vacuum the beans out of the opening and look for anything that is not a bean. Never reach in with a knife. Put the container back, plug in and grind two portions without brewing.

If the coffee is watery, the grind is too coarse. Turn the adjusting wheel one step finer while the grinder is running, and taste after two cups, because the first still has the old setting.

Flavoured or caramelised beans must not be used: their sugar glues the burrs together, and that repair is not covered by the contract.`,
  },
  {
    slug: 'milk-foam',
    title: 'No milk foam, or cold milk',
    content: `Milk foam collapses when air gets in at the wrong place or residue blocks the nozzle.

Start the programme "Rinse milk system" in the menu, then take the foamer apart. Lay the three parts in warm water with one cleaning tablet for fifteen minutes, and pull the thin brush once through the air hole. Check that the suction hose reaches the bottom of the milk container and that its rubber ring is not cracked.

The milk itself must be cooler than eight degrees. Use fresh milk with at least one and a half per cent fat; oat drinks need a version marked "barista".

If the foam is right but cold, the steam valve does not open fully. Please report this with the serial number, and a technician will adjust it.`,
  },
  {
    slug: 'machine-does-not-heat',
    title: 'The machine does not heat or does not start',
    content: `If the display stays dark, test the socket with another device and check the fuse of the kitchen. Our machines need their own socket: a multiple plug shared with a kettle trips the fuse.

If the display is lit but shows "Heating" for more than ten minutes, the safety thermostat has probably triggered after the machine ran dry. Switch it off, let it cool for one hour, fill the tank and switch it on. It will heat within six minutes.

Should it stay cold after that, leave it switched off and report the fault. We bring a replacement machine if the repair cannot be finished on the day of the visit.`,
  },
  {
    slug: 'order-supplies',
    title: 'Order beans, cups and cleaning material',
    content: `Supplies are ordered in the portal under "Order", or by scanning the code on the bean container with the app.

Orders that arrive before two o'clock in the afternoon leave our warehouse the same day and are with you in one to two working days. From sixty euros delivery is free; below that it costs six euros fifty.

With a standing order you are supplied at the interval you choose. You can skip a single delivery until two days before it leaves: open the standing order and press "Skip next". Changing the quantity does not change the price per kilogram.

Opened bags cannot be returned. Unopened bags of beans are taken back within fourteen days.`,
  },
  {
    slug: 'parcel-missing',
    title: 'A delivery is missing, incomplete or damaged',
    content: `Look at the tracking link in the dispatch e-mail first: parcels are sometimes left with a neighbour or at the reception.

If the parcel shows as delivered but nobody has it, tell us the order number within seven days. We open a search with the carrier and send a replacement on the next working day; you need not wait for the search to end.

If something is missing or broken, keep the packaging and send two photographs, one of the contents and one of the label. We then send the missing items free of charge or issue a credit note, whichever you prefer.

Wrong beans that are still closed are collected by the carrier when the right ones arrive.`,
  },
  {
    slug: 'read-your-invoice',
    title: 'How to read your invoice',
    content: `Each invoice has three parts: the monthly lease per machine, supplies that were delivered in the month, and services such as additional cleaning.

The lease is charged in advance and supplies afterwards, which is why the first invoice often covers one and a half months. If a machine was installed during the month, its lease is charged by the day.

Your purchase order number appears at the top right if you enter it in the portal under "Billing data". It is printed on all following invoices; an invoice that was already issued can be corrected once within thirty days.

Invoices are sent as PDF to the billing address and stay in the portal for ten years.`,
  },
  {
    slug: 'payment-and-reminders',
    title: 'Direct debit, payment terms and reminders',
    content: `Invoices are payable within fourteen days. With direct debit we collect the amount on the tenth day and announce it on the invoice.

To set up or change direct debit, open "Billing data" in the portal, enter the new account and confirm the mandate by the code that we send. The new account is used from the next invoice.

If you received a reminder although you have paid, the payment reference was probably missing. Send us the date and amount of the transfer, and we will match it and cancel the reminder fee.

A debit that was returned by the bank costs four euros. If an invoice was charged twice, we refund the second amount within five working days to the same account.`,
  },
  {
    slug: 'end-or-renew-contract',
    title: 'Renew, change or end a leasing contract',
    content: `Contracts run for twenty-four or thirty-six months. Three months before the end we send an offer: renew with the same machine, exchange it for a newer one, or return it.

Without an answer the contract continues month by month at the same price and can then be ended at any time with a notice of one month. Before the end of the term a contract can be ended only for good cause, such as closing the office; the remaining lease is then reduced by half.

A notice must be sent in writing by a person who may sign for your company. We confirm it within three working days with the date on which we collect the machine.`,
  },
  {
    slug: 'move-a-machine',
    title: 'Move a machine to another floor or address',
    content: `Please do not move a machine on your own: it holds water, and a tilted boiler is not covered by the insurance.

Tell us at least ten working days ahead the new address, the floor, whether there is a lift, and the date you prefer. We need a socket of its own and a water tap within one and a half metres, or a machine with a tank.

Moving within one building costs ninety euros, to another address one hundred and eighty; with contracts of thirty-six months one move is free. The technician empties, transports, connects and tests the machine, and brings the contract up to date, so that service visits go to the new place.`,
  },
  {
    slug: 'portal-sign-in',
    title: 'You cannot sign in to the portal',
    content: `Use the e-mail address to which we sent the invitation; another address of the same company is not known to the portal.

Forgotten password: press "Forgot password" on the sign-in page. The link in the e-mail is valid for one hour and only once. Look in the spam folder, and allow mails from our domain if your company filters them.

After ten wrong passwords the account is locked for fifteen minutes. If you have a new phone and no two-step code, use one of the recovery codes that you saved when you set it up; without them an administrator of your company can reset the second step under "Users".`,
  },
  {
    slug: 'portal-users',
    title: 'Add colleagues to the portal and set what they may do',
    content: `Administrators add colleagues under "Users": press "Invite", enter the e-mail address and choose a role. "Orderer" may order supplies and report faults, "Accounting" sees invoices and billing data, and "Administrator" may do everything and invite others.

The invitation is valid for seven days and can be sent again from the list. Roles can be limited to single locations, for instance when each office orders for itself.

When somebody leaves the company, press "Deactivate". What the person ordered or reported stays in the history. The last administrator cannot be deactivated; name another one first.`,
  },
  {
    slug: 'descaling',
    title: 'Daily cleaning and descaling',
    content: `Every evening the machine asks for the cleaning programme. Put one tablet into the shaft behind the front door and press "Start"; it takes seven minutes and uses half a litre of water. A machine that has missed the programme three times makes no more milk drinks until it has been cleaned.

Descaling is due when the display shows it, depending on the hardness of your water every two to four months. Take the filter out, pour one bottle of descaler and one litre of water into the tank and start "Descaling". Do not interrupt it: acid would stay in the boiler. Afterwards let two tanks of clear water run through.

Vinegar damages the seals and must not be used. The protocol of each programme is kept in the portal for hygiene inspections.`,
  },
  {
    slug: 'staff-replacement-machines',
    title: 'For staff: when a replacement machine is sent',
    internal: true,
    content: `Send a replacement when the repair would take longer than two working days, or at the second visit for the same fault within thirty days.

Book the machine in the stock list under the customer's number before you promise a date. Customers with more than five machines have one on reserve; the list is with the dispatcher. The old machine comes back with the same transport and is tested within three days.`,
  },
]
