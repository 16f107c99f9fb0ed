"""The sentences that texts are made of, by topic, and those that fit any topic: setting, connection, gap, close.

- `{...}` are facts of a story; `{n}` and `{few}` are numbers drawn for the sentence alone.
- A topic's sentences can stand in any order. Only those of `offender`, `protected`, `account`, `needs` and
  `connection` speak of somebody who could be recognised: they go into portions that bear persons.
"""

from typing import Final


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(text.strip().splitlines())


_TEXTS: Final[dict[str, str]] = {
    "route": """
Reporting describes a route run by the {gang} group from {origin} to {landing} by way of {transit}.
Passengers are collected in {origin} in groups of {few} and held near {transit} until the last leg is paid.
The last leg leaves from the coast near {port}, with a first attempt at about {hour} and a second at dawn.
The fare for the whole way is {price}; {paid} is paid on departure and the rest when a relative confirms arrival.
Drivers change at {transit} and do not know each other; the only contact is a number that is replaced every week.
After the checks at {port} were reinforced, departures moved some {n} kilometres along the coast.
A second branch avoids {transit} altogether and is used by families who pay more.
Passengers are told to leave their telephones behind, and are given one that holds a single number.
The ferry {vessel} was named as the way by which couriers, not passengers, travel back.
Those who cannot pay the last leg are made to work for the group, which several accounts describe as bondage.
Departures follow the weather closely: with {weather}, {n} passengers were brought to the coast within a day.
A safe house near {transit} holds up to {n} people and is changed every few weeks.
""",
    "group": """
The {gang} group, also known as {alias}, is assessed to have some {size} members in {countries} countries.
The {gang} group buys boats and engines through a cover firm that rents {warehouse}.
It is built in cells: recruitment in {origin}, holding and transport at {transit}, boats near {port}.
The cells deal with each other through brokers and settle their accounts once a month.
Recruiters post in {language} and answer within minutes, which suggests a shift of {few} people at a screen.
Violence against passengers who ask for their money back is reported more often since the summer.
A rival group was pushed from the stretch of coast near {port}; shots were fired in at least {few} incidents.
Money returns to {origin} through informal transfer, in sums below the limit at which questions are asked.
The group forges its own documents for drivers, and buys those for passengers from others.
It has lost {few} boats since spring and replaced them within days.
Members are told to say that they are passengers themselves when they are stopped.
A cell in {transit} offers its services to other groups as well, and does not seem to know whom it serves.
""",
    "document": """
The documents were detected at {port} during a check of passengers arriving from {transit}.
Documents of this series are sold in {transit} for {paid} each, with a photograph taken on the spot.
All of the series show the same fault: the lamination lifts at the corner and the print under it is off by a hair.
The perforation of the number is regular where that of the genuine document tapers.
Under ultraviolet light the paper is bright throughout, and the fibres are printed, not laid in.
The blanks are from a batch reported stolen in {origin}, of which {n} have been seen so far.
The chip answers, but its certificate is that of another series; older readers do not notice.
The machine-readable zone is correct, check digits included, which earlier series of this workshop were not.
Carriers presented them at desks with long queues, between {hour} and the end of the shift.
The same hand seems to have made visas that were found in spring.
Impostors use genuine documents of people who resemble them and are told to keep their hair and glasses alike.
The workshop posts the documents in children's books, by ordinary mail.
""",
    "concealment": """
The hide was found in {vehicle}, stopped at {port} at {hour}.
A false wall {few} hand-widths from the front of the load space held {n} people, without light.
Air came through holes drilled behind the number plate; the carbon dioxide reading at the door was ordinary.
The load was arranged so that a corridor of pallets could be moved from inside.
The container {container} had been opened at the hinges and closed again with its seal unbroken.
Refrigeration had been switched off, and a recording of the unit was played for the checks.
People had been told to wrap themselves in foil against the heartbeat detector, which works only in part.
Heat is the danger: within {few} hours the temperature in such a hide is above what people survive.
The driver's account does not agree with the tachograph between {transit} and {port}.
Weighing gave it away: the axle load was {n} kilograms more than the papers said.
Similar hides were seen at {landing} and {transit} this year, with the same screws and the same foam.
Passengers were loaded at a lay-by near {transit} and had no means to open the hide themselves.
""",
    "expertise": """
This note describes practice that others may use; it names no case and no person.
Freezing orders are most effective within {few} days of the arrest, before accounts are emptied.
A form in both languages, agreed beforehand, shortened recognition of an order from {n} weeks to {few}.
Courts accept a valuation by photograph for boats and engines if the serial is visible.
Engines are better kept than sold: they were matched with later seizures in {n} cases.
Crypto-assets are moved to a wallet of the authority at once, with two officers present and the screen recorded.
Confiscation without conviction needs a statement on where the money did not come from, rather than where it did.
Referrals are handled sooner when each names one post and one rule that it breaks.
Interviews with people who have just landed yield more after food, dry clothes and a night's sleep.
Interpreters should not be from the same town; {few} interviews had to be repeated for that reason.
Joint training with the staff of {port} changed what is reported: calls about stored engines rose by half.
The lesson is to plan the return of documents and telephones to victims from the first day.
""",
    "technical": """
An engine of maker {maker} was examined; its serial had been ground away and was restored by etching.
The hull is of a single skin, glued and not welded, and failed at the transom under {n} percent of the rated load.
The glue softens in sea water; the time until the floor parts from the tubes was {few} hours in the tank.
Fuel was found to be mixed with heating oil, which stops the engine when it idles.
The life jackets are filled with packing foam and take up water; they hold a child for less than an hour.
Scanner images of the hide are attached in the laboratory's file and may be asked for.
Telephones of the batch bear identifiers that are not consecutive, and were bought one by one.
The messenger's cache keeps the names of channels after they are left, on {few} of {n} devices examined.
Radar sees such boats at {n} hundred metres in calm water and hardly at all with {weather}.
Drones with a thermal camera found {few} of {n} practice boats at night.
The ink of the visas fluoresces at a wavelength that the desk lamps do not have.
Measurements were repeated with a second instrument, with no difference that matters.
""",
    "boats": """
A consignment in container {container} is described as leisure goods; it holds hulls and engines without a consignee.
The engine bears maker {maker} and a serial {serial}, which was last seen in a lawful sale.
Hulls are shipped folded, {n} to a pallet, and assembled near {port} in less than an hour.
The goods were moved from {warehouse} in {vehicle}, at about {hour}, by people who wore work clothes of a carrier.
Payment was made in two parts, {paid} on order and the rest in cash on the spot.
The maker knows nothing of the model: the plates are copies.
Life jackets were ordered in children's sizes, {n} of them, and arrived without their certificates.
Fuel cans are bought in {few} places at a time, never more than a shop would notice.
The warehouse is let by the month to a firm that was founded {few} weeks before.
Deliveries follow the forecast: with {weather}, the store was emptied within a day.
Boats that were not used are buried in the dunes near {port} and dug up again.
The carrier's papers name {landing} as the destination, where no such firm exists.
""",
    "advert": """
The post offers a passage from {port} to {landing} at {price}, with a discount for groups of {few}.
The account {handle} has changed its name {few} times and kept its followers.
It is written in {language} and shows a boat under way in daylight, with the number of a messenger account.
The pictures were used before, by an account that was removed {few} weeks ago.
Comments under it are from {n} accounts of the same age, and praise the passage in the same words.
A second post sells outboard engines, serial {serial} among them, and is meant for drivers.
It promises a pilot who knows the way and life jackets for children.
The number given answers in {language} and asks for {paid} before a place is named.
Reach grew after it was advertised to people in {origin} who had looked for work abroad.
Removal is asked for because such posts bring people onto boats that founder.
Videos are taken down and appear again at about {hour}, when moderators change shifts.
It does not say that the last group from {port} had to be rescued.
""",
    "removal": """
The post named in the referral was reviewed on the day it came, and breaches our rules on human smuggling.
The post was taken down at {hour}; the account behind it, {handle}, can no longer post.
Content and access data are preserved for {n} days, for an order by the way that the law has for it.
A search for the same pictures found {few} further posts, which were removed with it.
The account holder was told of the decision and of how to contest it, as the law asks, and not of who referred it.
Advertising for the post had been stopped {few} days earlier by an automatic check.
One post could not be found at the address given; a fresh referral with the present address is welcome.
Removed posts had been seen by about {n} hundred people.
""",
    "money": """
Payments of passengers are collected on an account that is emptied on the day, in sums below {price}.
The account was opened with a document of the series described elsewhere, and is used from {few} addresses.
A transfer of {paid} bears the reference of a used-car sale that never took place.
The same account received money for engines and for passages, in {few} countries.
Between {origin} and {transit} the balance is settled by informal transfer, and squared once a month in goods.
Cash of {n} thousand in small notes was found sewn into the seat of {vehicle}.
Part of the money was turned into crypto-assets at a machine near {port}.
A property in {transit} was bought through a relative's firm, at a price that its income does not explain.
The freezing order reached the bank {few} hours before a transfer was to leave.
Money mules are students who were promised {paid} a month for the use of an account.
Receipts that were seized show a commission of {few} percent for the broker.
A request to the bank for the remaining statements is being prepared.
""",
    "seizure": """
At {hour} a store near {port} was searched on the order of the court; the things listed were seized.
Boats that were ready to leave were secured near {port}: floors glued, fuel mixed, {n} life jackets laid out.
Among them is an engine of maker {maker}, serial {serial}, which had not been reported stolen.
The telephones were switched on and were isolated at once; they are with the laboratory.
{vehicle_up} was found with the keys in it and a tank that had been filled within the hour.
Cash was counted by two officers on the spot, and once more at the bank.
The value given is an estimate; the experts' report will follow.
Third parties may have rights in the vehicle, and were told of the measure.
The measure is to last {few} months unless the court prolongs it.
The serials were compared with what partners had reported, with {few} hits.
""",
    "return": """
The case was opened under the agreement after the decision had become final.
The consulate confirmed that it will hear {few} cases of this group in one sitting.
Documents have been requested; the answer is expected within {n} working days.
The flight is planned from {transit}, with an escort that speaks the language.
The departure was postponed once because the medical examination was outstanding.
Nothing in this portion tells who the case is about; the parts that do are addressed on their own.
Monitoring on arrival has been agreed with an independent body.
A voluntary return was offered, with assistance of {paid}, and the offer stands.
The case is counted in this quarter's report to the joint committee.
No contact has been made with authorities of the state of destination beyond what the agreement has.
""",
    "debrief": """
The group left {origin} {few} weeks before and crossed {transit} in {vehicle}.
On the coast near {port} the group waited {few} nights, without shelter, for {weather}.
The boat carried {n} people and had one engine, of maker {maker}, which failed after an hour.
The price was {price}; {paid} was paid before departure, the rest was to be paid by relatives.
They were told to steer for the lights of {landing} and to throw the telephone into the water.
Those who steered had not done so before, and had a place at half the price for it.
Armed men kept order on the beach at about {hour} and did not board.
The number to call was given to them by a post in {language}.
Water came over the side from the start; buckets were handed out in place of pumps.
The boat was met by a rescue vessel {n} kilometres from the coast.
Life jackets were sold on the beach at {paid} each, and there were not enough.
What is said here of the route was told by several people independently.
""",
    "account": """
I left because staying had become dangerous, and I do not wish anyone at home to learn where I am.
We paid {paid} in {origin} to someone whose name I was not told, and the rest was to be paid by my brother.
In {transit} we were kept in a house with the windows painted over; there were {n} of us.
They took our telephones and said we would get them back on the other side, which we did not.
At about {hour} we were walked to the beach near {port}, in the dark, holding on to each other.
I saw a man with a grey cap who gave the orders; others called him the uncle.
The boat was not what we had been shown, and nobody was allowed to turn back.
There were children, {few} of them, and one had a fever.
The engine stopped twice, and the second time it did not start again.
I would know two of them again, and I am afraid of one.
A woman who could not pay the whole sum was made to cook for the others for weeks.
I was told what to say if we were stopped, and that they would find my family if I said more.
When the rescuers came some people stood up, and the boat folded in the middle.
I have spoken of this to nobody but the doctor and the interpreter.
""",
    "protected": """
Came with the group from {origin} and knows nothing of the others but their first names.
Asked for medical help on arrival, and was seen by a doctor before any question was put.
A relative is believed to live in {landing}, and has not been told of the arrival.
Speaks {language} and was heard with an interpreter who is not from {origin}.
Was held in a house near {transit} until the second half of the price, {paid}, was paid.
Wishes that nothing of this is made known to anyone in {origin}, and gave reasons for it.
Was taken off the boat near {landing} at about {hour}, wet and without shoes.
Stays at an address that is known here and is not given.
What is said here was told by the person and is not corroborated.
Has lost the telephone, and with it the only number of the family.
""",
    "offender": """
Known to those around as the {nickname}; the name was given twice, with different spellings.
Seen near {port} at {hour}, and again in {transit} {few} days later.
Uses {vehicle} that is registered to somebody else.
Speaks {language} and some English, and is careful on the telephone.
Has no fixed address; a room near {transit} was let in another name.
Identified from a photograph by two people who did not know each other.
Was carrying {paid} in notes and a receipt from {warehouse}.
The connection with the {gang} group rests on {few} calls and should be treated as an assessment.
What is said here of the role was told by one person and is not corroborated.
Was stopped at {landing} last year and released for want of evidence.
Answers a number that stands in the post of {handle}.
""",
    "reasons": """
The reason to believe that you hold the answer is a call from {transit} at {hour} on the day of the crossing.
A receipt that was found here was issued in {transit}, by a shop that only your register can name.
We hold {few} statements that point to your country, and can share them if you wish.
The firm that rents {warehouse} gave an address in your country when it was founded.
The investigation concerns facilitation by an organised group, which carries a sentence of {few} years or more.
The advert by {handle} was paid for with a card that was issued in your country.
""",
    "connection": """
The person is connected with the purpose of the request by {few} calls with the number that the adverts give.
The name stands in a ledger that was found in {transit}, beside a sum of {paid}.
Two statements place the person at {port} on the night of the departure.
Whether the person took part or was carried is not established; please treat the name with that in mind.
The {gang} group used an address at which the person was registered for {few} months.
If the person is known to you as a victim, please say so, and we shall ask no further.
""",
    "request": """
We ask whether the {gang} group or its cover firm at {warehouse} is known to you, and since when.
We ask for sightings of an engine of maker {maker}, serial {serial}, and of container {container}.
Of interest are payments of {paid} or more on or about the day of the departure from {port}.
Subscriber details of the number that the adverts give are asked for, as far as they are directly accessible.
A landing near {landing} is expected with {weather}, which is why time matters.
If the answer cannot be used as evidence, please say so; for now it serves the investigation alone.
An answer that nothing is known helps as well.
We ask for the holder of the account on which passages are paid, as far as it can be given without a court.
Of interest is whether the plate of {vehicle} was recorded near {landing}, and at which hour.
Please search spelling variants as well; the name was heard and not read.
""",
    "hit": """
The files that are directly accessible here were searched on the terms that you gave, with the hit that is given above.
There is an entry on the terms that you gave; it rests on a check at {port} at {hour} and was not corroborated since.
The information may be used for the investigation named in your request, and for nothing else.
The firm at {warehouse} is in the register, and was struck off {few} months ago.
Please tell us what came of it, so that the entry can be corrected or erased.
The search covered vehicles, firms and telephone subscribers of the last {few} years.
Should it be needed as evidence, please send a request by the judicial way.
Spelling variants were searched as well, {n} of them.
A copy of this answer goes to our single point of contact.
""",
    "no_hit": """
The files that are directly accessible here were searched on the terms that you gave, and hold nothing.
Nothing is known here on the terms that you gave; that does not mean that there is nothing.
A file that is held by a court could not be searched and must be asked for from it.
Should a further spelling or date of birth become known, please send it, and the search will be repeated.
Your request has been noted for {n} days, so that an entry made in that time is told to you.
The search covered vehicles, firms and telephone subscribers of the last {few} years.
Should it be needed as evidence, please send a request by the judicial way.
Spelling variants were searched as well, {n} of them.
A copy of this answer goes to our single point of contact.
""",
    "refused": """
The request is refused for the reason given, as far as it could be granted at all.
The information asked for cannot be given, for the reason that is named beside this text.
The refusal concerns this request alone and says nothing on whether there is an entry.
A request that is limited to the day of the departure from {port} would be looked at again.
The reason was examined by the single point of contact and confirmed by a second officer.
You may ask for a clarification within {few} days; the time for an answer then starts anew.
""",
    "operation": """
The operation is directed at the supply of boats between {warehouse} and the coast near {port}.
Teams will be in place from {hour}; the signal to act is given by the lead alone.
{few_up} teams watch the roads from {transit}, and one the store.
Rescue comes first: a vessel stands by from the moment at which people are on the beach.
Partners act at the same hour, so that no cell can warn another.
Interpreters for {language} and a doctor are with each team.
The aim is the organisers and their goods, and not those who are carried.
Frequencies and call signs are given out on the day.
If {weather} is forecast, the operation moves by {few} days.
Evidence is gathered under the law of the place where it is found, as the team's agreement says.
Journalists are told nothing before the last team has reported.
""",
    "deployment": """
The officer supports the exchange of information and has no powers of coercion in the host state.
The post was agreed for the season in which departures from {port} are most frequent.
A desk, a secure line and access to the local duty room are provided by the host.
The officer reports to the home agency, and tells the host what concerns the host.
Interviews may be attended on invitation, and are led by an officer of the host.
Training for staff at {port} is part of the post, on {few} days a month.
A deputy takes over in absence, by the same rules.
The post ends at the instant given; what was addressed to it is not readable from it after that.
""",
    "source": """
It became known through observation of {warehouse} over {few} nights.
A carrier reported it because the weight did not agree with the papers.
The number was found in a telephone that was lawfully examined, and compared with the adverts.
A person in a position to know said so to an officer who has met them {few} times before.
The source has direct access to what is said of {transit}, and none to what is said of {origin}.
A second source, who does not know the first, gave the same place and another hour.
The method must not become known: it would be recognised by anyone who was there at {hour}.
Motives were considered; the source is paid, and was right {few} times out of {n}.
Technical means confirm the vehicle and its plate, but not who was in it.
Contact is kept through a third person and cannot be hurried.
Please do not act on this alone, and do not show it to anyone who could tell where it comes from.
""",
    "assessment": """
The person answered freely, with pauses, and did not contradict what was said on arrival.
What was said of {transit} agrees with {few} other interviews; what was said of {origin} stands alone.
Distances and hours are estimates; the telephone was taken before departure.
The interpreter remarked that some phrases sounded as if they had been learnt.
Fear of the group was plain, and was strongest when the {gang} group was named.
A second interview is advised, after medical care and with the same interpreter.
The wish not to be named to anyone from {origin} was stated twice and should be respected.
The description of the boat fits the one that was found near {landing} on the same day.
No promise was made, and none was asked for.
""",
    "needs": """
Needs medicine that has to be kept cold, and a doctor's note in both languages for the way.
Travels with a relative who does not leave their side; they should be seated together.
Cannot stand for long; a wheelchair was used at the last hearing and should be ordered again.
Asked for an interpreter for {language} who is not from {origin}, and for a call to a lawyer before departure.
Is afraid of confined rooms, which should be told to the escort before the day.
""",
}
_SETTING: Final = """
At the time there was {weather}.
Checks at {port} had been reinforced since the week before.
Traffic between {transit} and the coast was light.
The stretch of coast near {port} has {few} places from which a boat can be launched by hand.
In the week before, {n} departures had been counted along this coast, and {few} were stopped.
The {gang} group has been named in reporting on this area since last year.
Prices have risen by a third since spring, which is put down to fewer boats.
A similar pattern was seen near {landing} some months ago.
Residents had called about lights on the beach at about {hour}.
The road from {transit} is watched by lookouts on mopeds.
Shops in the area no longer sell fuel in cans, which has moved purchases inland.
Part of this was reported before in another form and is repeated for completeness.
Times are local; distances are measured on the map.
Vehicles of the same kind are hired by the day in {transit}, in cash.
Groups from {origin} travel apart from others and are met by people who speak {language}.
Two engines of the same maker were found abandoned nearby.
The place lies outside the range of the fixed cameras.
The harbour master confirmed that no lawful departure was planned.
Charities give out tents some {n} kilometres inland, and know nothing of the departures.
The tide allows launching for about {few} hours.
Telephones in the area were switched off at about {hour} and came back in {transit}.
The firm named on the vehicle says that it was sold abroad.
"""
_CONNECTION: Final = """
A link with an advert by {handle} is likely, since number and price agree.
The serial {serial} should be compared with seizures elsewhere.
Container {container} is expected to be used again and should be watched for.
The pattern agrees with what partners reported from {transit}.
It may be the same store that supplied boats in spring.
A connection with the {gang} group is assessed as likely, on the strength of method and place.
Whether the two events are connected cannot be said at present.
The same plate was recorded near {landing}.
It fits the description of goods that were paid for through {origin}.
The hour and the number of people agree with a call that was logged at {hour}.
"""
_GAP: Final = """
It is not known who gives the orders, nor from where.
The destination of the goods beyond {transit} is not known.
How the money returns to {origin} has still to be found out.
Gap: the owner of the store, and since when it is let.
Gap: whether the drivers know what they carry.
The reliability of one detail, the hour, is doubtful.
No photograph is available.
It cannot be excluded that the description was spread on purpose.
"""
_CLOSE: Final = """
Comment: the account is consistent, and corroborated in part.
Comment: plausible, not corroborated, and to be treated with reserve.
Assessment: a further attempt within {few} days is likely if the weather holds.
Assessment: the supply has been disturbed but not stopped.
Assessment: the group is adapting to the checks at {port} and will look for other places.
Partners are asked to report matches and to take no open measure before consultation.
Partners with information on {warehouse} are asked to make it known.
It is proposed to compare this with reporting on {transit} and to meet within {few} days.
Follow-up is with the duty officer; corrections will be sent as a revision of this record.
Please return what you learn, even if it is that nothing is known.
"""

TOPICS: Final = {topic: _sentences(text) for topic, text in _TEXTS.items()}
ASIDES: Final = _sentences(_SETTING) + _sentences(_CONNECTION)
GAPS: Final = _sentences(_GAP)
CLOSES: Final = _sentences(_CLOSE)
