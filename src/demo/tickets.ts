import type { ServiceName } from './services.ts'

type Priority = 'low' | 'medium' | 'high' | 'urgent'

/** A solved ticket: what was asked, what kind it was, and the answer that solved it. */
export interface SolvedDemoTicket {
  subject: string
  description: string
  service: ServiceName
  priority: Priority
  tags: readonly string[]
  answer: string
}

const ofService =
  (service: ServiceName) =>
  (priority: Priority, tags: string, subject: string, description: string, answer: string): SolvedDemoTicket => ({
    service,
    priority,
    tags: tags.split(' '),
    subject,
    description,
    answer,
  })

const repair = ofService('Machine repair')
const supplies = ofService('Supplies')
const billing = ofService('Billing')
const contracts = ofService('Contracts')
const portal = ofService('Customer portal')
const hygiene = ofService('Cleaning and hygiene')

/** Ten of each service, so that the models have something to learn from. */
export const SOLVED: readonly SolvedDemoTicket[] = [
  repair(
    'high',
    'error-code water',
    'Error E12 on the third floor',
    'The machine shows error E12 and brews nothing since this morning.',
    'Error E12 means that no water arrives. Please open the tap behind the machine, put in a new filter cartridge and restart the machine with the switch at the back.',
  ),
  repair(
    'urgent',
    'leak',
    'Water is running out of the machine',
    'There is a puddle under the coffee machine and it keeps growing, close to the socket.',
    'Please close the tap and unplug the machine at once. A technician exchanged the boiler seal this afternoon; the machine may be used again.',
  ),
  repair(
    'medium',
    'grinder',
    'Grinder makes a terrible noise',
    'When I press espresso the grinder rattles loudly and no coffee comes out.',
    'A small stone had blocked the grinder. The burrs were cleaned and set again; vacuum the bean container if it rattles once more.',
  ),
  repair(
    'medium',
    'milk',
    'No foam on the cappuccino',
    'The machine heats the milk but there is no foam any more.',
    'The air hole of the foamer was blocked. Run “Rinse milk system”, take the foamer apart and leave it in warm water with a cleaning tablet for fifteen minutes.',
  ),
  repair(
    'high',
    'power',
    'Machine does not switch on',
    'The display stays dark, the socket works with a lamp.',
    'The power unit was defective. The technician exchanged it under the contract, and the machine starts again.',
  ),
  repair(
    'high',
    'heating',
    'Only cold coffee',
    'Coffee comes out cold and the display says Heating all the time.',
    'The safety thermostat had triggered. Switch the machine off for an hour, fill the tank and switch it on; it will heat within six minutes.',
  ),
  repair(
    'low',
    'display',
    'Display flickers',
    'The touch display flickers now and then, but brewing works.',
    'The display cable had come loose and was fixed during the regular visit.',
  ),
  repair(
    'medium',
    'grinder',
    'Coffee tastes watery',
    'Since last week the coffee is thin and watery, the grinder sounds normal.',
    'The grind was too coarse. Turn the adjusting wheel one step finer while the grinder runs, and taste after two cups.',
  ),
  repair(
    'high',
    'error-code brewing',
    'Error E30 brewing unit',
    'Error E30 is shown and the brewing unit is stuck, the door cannot be opened.',
    'The brewing unit was released and greased. If E30 returns, do not force the door and call us, because the gear can break.',
  ),
  repair(
    'urgent',
    'leak power',
    'Machine leaks and trips the fuse',
    'Water drips from the machine and the fuse of the whole kitchen goes off.',
    'The hose had burst. Tap closed, hose and pump replaced, insulation measured; the fuse holds again.',
  ),

  supplies(
    'medium',
    'beans delivery',
    'Beans have not arrived',
    'We ordered twelve kilograms of beans last Monday and nothing has arrived.',
    'The parcel was lost by the carrier. A replacement left our warehouse today and arrives tomorrow before noon.',
  ),
  supplies(
    'low',
    'cups',
    'Order more paper cups',
    'Please send two more boxes of paper cups with the next delivery.',
    'Two boxes of cups were added to your next delivery on Thursday.',
  ),
  supplies(
    'medium',
    'beans wrong-item',
    'Wrong beans in the parcel',
    'We received the dark roast instead of the mild beans that we ordered.',
    'The mild beans leave today. Please keep the closed bags ready, the carrier takes them back when he delivers.',
  ),
  supplies(
    'medium',
    'filter',
    'Water filter cartridges',
    'We need new water filter cartridges, which ones fit our machine?',
    'Your machine takes the cartridge of type M. Two of them were sent free of charge, because your contract includes filters.',
  ),
  supplies(
    'low',
    'standing-order',
    'Skip the next delivery',
    'Our office is closed over the holidays, please skip one standing order of beans and milk.',
    'The next delivery was skipped; the one after it comes as planned. You can do this in the portal with “Skip next”.',
  ),
  supplies(
    'high',
    'beans',
    'Completely out of coffee beans',
    'We have no beans left and forty guests tomorrow, can you deliver express?',
    'An express parcel with eight kilograms of beans left at noon and arrives tomorrow before nine.',
  ),
  supplies(
    'medium',
    'damaged delivery',
    'Milk cartons broken in the parcel',
    'Half of the milk cartons of our delivery were broken and everything is wet.',
    'We are sorry. Twelve cartons were sent again free of charge, and the carrier was told to pack them upright.',
  ),
  supplies(
    'low',
    'tablets',
    'Cleaning tablets used up',
    'Please send cleaning tablets and one bottle of descaler.',
    'One box of cleaning tablets and a bottle of descaler were sent with today’s parcel.',
  ),
  supplies(
    'medium',
    'delivery address',
    'Parcel went to our old address',
    'The delivery with the cups and beans went to the old office address.',
    'The delivery address was corrected and the parcel redirected; it arrives on Friday.',
  ),
  supplies(
    'low',
    'beans standing-order',
    'More beans per month',
    'We would like to raise our standing order from six to nine kilograms of beans.',
    'The standing order is nine kilograms from the next delivery on; the price per kilogram stays the same.',
  ),

  billing(
    'high',
    'double-charge',
    'Invoice was debited twice',
    'The invoice for March was debited twice from our account.',
    'The second amount was refunded today and is on your account within five working days.',
  ),
  billing(
    'medium',
    'invoice',
    'Invoice is missing',
    'We did not receive the invoice for last month, please send it as PDF.',
    'The invoice was sent again as PDF; all invoices also lie in the portal under Billing.',
  ),
  billing(
    'medium',
    'purchase-order',
    'Purchase order number on the invoice',
    'Our accounting needs the purchase order number printed on the invoice.',
    'The number was added and a corrected invoice issued. It is printed on all following invoices as well.',
  ),
  billing(
    'medium',
    'reminder',
    'Reminder although we have paid',
    'We got a payment reminder, but the invoice was paid two weeks ago by transfer.',
    'The payment had no reference and has now been matched. The reminder and its fee are cancelled.',
  ),
  billing(
    'low',
    'address',
    'Change the billing address',
    'Our company has a new billing address and a new name in the register.',
    'The billing address was changed and applies from the next invoice on.',
  ),
  billing(
    'medium',
    'tax',
    'VAT number is wrong on the invoice',
    'The tax number on our invoice has a wrong digit, please correct it.',
    'The VAT number was corrected and the last two invoices were issued again.',
  ),
  billing(
    'low',
    'direct-debit',
    'Set up direct debit',
    'We want to pay our invoices by direct debit from now on.',
    'Please enter the account in the portal under Billing data and confirm the mandate with the code; it is used from the next invoice.',
  ),
  billing(
    'medium',
    'credit-note',
    'Credit note for returned beans',
    'We returned four bags of beans and are waiting for the credit note.',
    'The credit note was issued today and is deducted from your next invoice.',
  ),
  billing(
    'medium',
    'invoice lease',
    'Lease amount is too high',
    'The invoice shows a lease for three machines, but we only have two.',
    'The third machine was removed from the invoice and the amount credited. Thank you for telling us.',
  ),
  billing(
    'low',
    'invoice',
    'Why is the first invoice higher',
    'Our first invoice is higher than the monthly lease we agreed on.',
    'The lease is charged in advance and by the day in the first month, so that the first invoice covers one and a half months.',
  ),

  contracts(
    'medium',
    'move',
    'Machine has to move to our new office',
    'We are moving to another address next month and want to take the machine with us.',
    'The move is booked for the twelfth. The technician empties, transports and connects the machine; please have a socket and a tap ready.',
  ),
  contracts(
    'low',
    'cancellation',
    'Cancel our contract',
    'We want to end the leasing contract at the end of its term.',
    'Your notice is confirmed. The contract ends with its term, and we collect the machine in the following week.',
  ),
  contracts(
    'low',
    'renewal',
    'Renew the contract for another two years',
    'Our contract ends soon, we would like to renew it with the same machine.',
    'The contract was renewed for twenty-four months at the same price; the signed copy is in the portal.',
  ),
  contracts(
    'low',
    'additional-machine',
    'Lease a second machine',
    'We have a new floor and want to lease one more machine of the same kind.',
    'An offer for a second machine was sent; with both the lease falls by eight per cent.',
  ),
  contracts(
    'medium',
    'exchange',
    'Exchange for a bigger machine',
    'Our machine is too small for eighty people, can we exchange it during the term?',
    'An exchange is possible at any time against a longer term. The offer for the larger model was sent to you.',
  ),
  contracts(
    'low',
    'term',
    'When does our contract end',
    'Please tell us the term and the notice period of our leasing contract.',
    'Your contract runs until the end of September, with a notice period of one month.',
  ),
  contracts(
    'medium',
    'cancellation office-closing',
    'Early end because the office closes',
    'We are closing the location and must end the leasing contract early.',
    'With the closing of an office the remaining lease is halved. Please send the notice in writing; we confirm the date of collection.',
  ),
  contracts(
    'low',
    'trial',
    'Trial before signing a contract',
    'Can we try the machine for some weeks before we sign the lease?',
    'A trial of four weeks is free; if you sign afterwards, the machine simply stays.',
  ),
  contracts(
    'medium',
    'transfer',
    'Transfer the contract to another company',
    'Our subsidiary takes over the lease, the contract has to be transferred.',
    'The transfer form was sent. As soon as both companies have signed, the contract and the invoices change over.',
  ),
  contracts(
    'low',
    'move',
    'Move the machine to another floor',
    'The coffee machine should go from the second to the fifth floor, there is a lift.',
    'The move within the building is booked; it takes about an hour and is free with your contract.',
  ),

  portal(
    'medium',
    'password',
    'Cannot sign in to the portal',
    'I forgot my password and the reset mail does not arrive.',
    'The mail was held by your spam filter. A new link was sent; it is valid for one hour and only once.',
  ),
  portal(
    'medium',
    'two-step',
    'New phone, no codes for the portal',
    'I have a new phone and cannot enter the two-step code any more.',
    'Your administrator can reset the second step under Users; afterwards set it up again with the new phone.',
  ),
  portal(
    'low',
    'users',
    'Add a colleague to the portal',
    'Please add my colleague as an orderer to our portal account.',
    'Administrators add colleagues under Users with “Invite”. The invitation was sent and is valid for seven days.',
  ),
  portal(
    'medium',
    'locked',
    'Account locked after wrong password',
    'My portal login is locked, it says too many attempts.',
    'The lock ends by itself after fifteen minutes. It was lifted; please choose a new password with the link.',
  ),
  portal(
    'low',
    'notifications',
    'Too many notifications from the app',
    'The ordering app sends me a notification for every order of my colleagues.',
    'Notifications can be limited to your own orders in the app under Settings; it was switched for you.',
  ),
  portal(
    'medium',
    'permissions',
    'Accounting cannot see invoices',
    'Our accountant can sign in but does not see any invoices in the portal.',
    'The role was Orderer. With the role Accounting invoices and billing data are visible; it was changed.',
  ),
  portal(
    'high',
    'outage',
    'Portal shows an error page',
    'Nobody of us can open the portal, it shows an error page after the login.',
    'A fault after an update was repaired within the hour. Please sign in again.',
  ),
  portal(
    'low',
    'users',
    'Remove a former employee',
    'A colleague has left the company, please remove the user from the portal.',
    'The user was deactivated; the history of orders stays.',
  ),
  portal(
    'medium',
    'app',
    'App does not scan the code',
    'The app camera stays black when I scan the code on the bean container.',
    'The app had no permission for the camera. Allow it in the settings of the phone and start the app again.',
  ),
  portal(
    'low',
    'e-mail',
    'Change my login e-mail address',
    'My e-mail address has changed after my marriage, how do I change the login?',
    'Sign in, open your profile and enter the new address; confirm it with the link in the mail.',
  ),

  hygiene(
    'low',
    'descaling',
    'Descaling message does not disappear',
    'The display asks for descaling although we did it yesterday.',
    'The programme had been interrupted. Start Descaling again and let it run to the end; afterwards the message is gone.',
  ),
  hygiene(
    'medium',
    'inspection protocol',
    'Cleaning protocol for the hygiene inspection',
    'The hygiene inspector wants the cleaning protocols of the last six months.',
    'The protocols are in the portal under Machine, Protocols; the PDF of six months was sent to you.',
  ),
  hygiene(
    'medium',
    'odour',
    'Bad smell from the milk system',
    'There is a sour smell from the milk container and the hose.',
    'Exchange the milk hose and run “Rinse milk system” twice with a cleaning tablet; a new hose was sent.',
  ),
  hygiene(
    'low',
    'cleaning',
    'How often do we have to clean',
    'Which cleaning programme has to be run daily and which weekly?',
    'Run the tablet programme every evening and clean the foamer every week; descaling is due when the display shows it.',
  ),
  hygiene(
    'medium',
    'mould',
    'Mould in the grounds container',
    'We found mould in the container for coffee grounds after the holidays.',
    'Wash the container in the dishwasher, run the tablet programme twice and empty it every day; before holidays leave it open.',
  ),
  hygiene(
    'low',
    'descaling',
    'Can we descale with vinegar',
    'We have no descaler left, is it possible to use vinegar for descaling?',
    'Please do not, vinegar damages the seals. A bottle of descaler was sent free of charge.',
  ),
  hygiene(
    'low',
    'training',
    'Cleaning training for new staff',
    'We have new kitchen staff and would like a training in daily cleaning.',
    'A training of thirty minutes is booked for next Tuesday and is part of your contract.',
  ),
  hygiene(
    'medium',
    'residue',
    'White residue in the hot water',
    'White flakes of limescale swim in the hot water for tea.',
    'That is limescale. Descale the machine, exchange the filter and let two tanks of water run through.',
  ),
  hygiene(
    'medium',
    'cleaning',
    'Cleaning programme stops',
    'The daily cleaning programme stops half-way and asks for a tablet again.',
    'The tablet shaft was damp and the tablet stuck. Dry the shaft, put in a new tablet and start the cleaning programme again.',
  ),
  hygiene(
    'low',
    'inspection',
    'Date of the yearly hygiene inspection',
    'When is the next yearly inspection and cleaning of our machine by you?',
    'The inspection is planned for the first week of next month; the technician calls the day before.',
  ),
]

/** Open tickets, as customers wrote them: nobody has sorted them yet. */
export const OPEN: readonly { subject: string; description: string }[] = [
  { subject: 'Error E12 again', description: 'The machine in the lobby shows E12 and gives no water, although the tap is open.' },
  {
    subject: 'Puddle under the machine!',
    description: 'Water is leaking from below the machine onto the floor. This is the second time this month and it is really unacceptable!',
  },
  { subject: 'Order did not arrive', description: 'We are still waiting for the beans and the cups that we ordered nine days ago.' },
  { subject: 'Debited twice', description: 'Our bank shows that the last invoice was debited two times. Please refund one amount.' },
  { subject: 'Moving in January', description: 'We are moving to a new address in January. What do we have to do so that the machine moves with us?' },
  { subject: 'Portal login', description: 'I cannot sign in any more, the password reset link says that it has expired.' },
  { subject: 'Sour smell', description: 'The milk hose smells sour even after the cleaning programme. What should we do?' },
  {
    subject: 'Thank you',
    description: 'The technician was friendly and quick yesterday, the coffee is great again. Could you send us the cleaning protocol of the visit?',
  },
  { subject: 'Invite my colleague', description: 'Please tell me how to add a new colleague who may order supplies in the portal.' },
  { subject: 'Foam gone', description: 'Our cappuccino has no foam since Monday, the milk only gets warm.' },
  { subject: 'PO number', description: 'The purchase order number is missing on our invoices, so accounting rejects them.' },
  { subject: 'Parking at your warehouse', description: 'Is there a parking space for a lorry in front of your building on Saturday?' },
]
