"""Every closed list of codes, in one place, as data.

- TLP 2.0 (FIRST); Europol handling codes H0-H3; the 4x4 evaluation (Europol Regulation Art. 29).
- Data-subject categories: Directive (EU) 2016/680 Art. 6; special categories: its Art. 10.
- States: ISO 3166-1 alpha-2, plus the user-assigned XA and XB of the fictional source states and
  ZZ, which stands for an unknown origin and therefore for every state.
"""

from enum import StrEnum


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0."""

    RED = "RED"
    AMBER_STRICT = "AMBER+STRICT"
    AMBER = "AMBER"
    GREEN = "GREEN"
    CLEAR = "CLEAR"


class HandlingCode(StrEnum):
    """Europol handling codes; the free text of H3 is content and never stands in a label."""

    H0 = "H0"
    H1 = "H1"
    H2 = "H2"
    H3 = "H3"


class SourceGrade(StrEnum):
    """4x4 evaluation of the source."""

    A = "A"
    B = "B"
    C = "C"
    X = "X"


class InformationGrade(StrEnum):
    """4x4 evaluation of the information."""

    ONE = "1"
    TWO = "2"
    THREE = "3"
    FOUR = "4"


class Purpose(StrEnum):
    """What the recipient may use the portion for (purpose limitation)."""

    PREVENTION = "prevention"
    DETECTION = "detection"
    INVESTIGATION = "investigation"
    PROSECUTION = "prosecution"
    CONFISCATION = "confiscation"
    TAKEDOWN = "takedown"
    RETURN = "return"
    PROTECTION = "protection"
    EXPERTISE = "expertise"


class SubjectCategory(StrEnum):
    """Data-subject categories of the persons in a portion (LED Art. 6)."""

    SUSPECT = "suspect"
    CONVICTED = "convicted"
    VICTIM = "victim"
    OTHER_PARTY = "other_party"
    UNKNOWN = "unknown"


class SpecialCategory(StrEnum):
    """Special categories of personal data (LED Art. 10)."""

    RACIAL_OR_ETHNIC_ORIGIN = "racial_or_ethnic_origin"
    POLITICAL_OPINION = "political_opinion"
    RELIGION_OR_BELIEF = "religion_or_belief"
    TRADE_UNION = "trade_union"
    GENETIC = "genetic"
    BIOMETRIC = "biometric"
    HEALTH = "health"
    SEX_LIFE_OR_ORIENTATION = "sex_life_or_orientation"


class Caveat(StrEnum):
    """Handling caveats beyond TLP and H-codes."""

    ORCON = "orcon"
    NO_PRIVATE_PARTY = "no_private_party"
    LAW_ENFORCEMENT_ONLY = "law_enforcement_only"


class ProtectionGround(StrEnum):
    """Why a person in the portion is protected; any ground keeps the protection gate shut."""

    VICTIM = "victim"
    MINOR = "minor"
    SEEKING_PROTECTION = "seeking_protection"


class AgencyRole(StrEnum):
    """What an agency is, as the arrangement's rules see it."""

    POLICE = "police"
    BORDER = "border"
    FINANCIAL = "financial"
    COORDINATION = "coordination"
    UNION_BODY = "union_body"
    SOURCE_STATE = "source_state"
    PLATFORM = "platform"


class PortionName(StrEnum):
    """The names that portions of any record kind may have."""

    BASE = "base"
    SOURCES = "sources"
    PERSONS = "persons"
    FINANCIAL = "financial"
    REFERRAL = "referral"
    REMOVAL = "removal"


class Kind(StrEnum):
    """Record kinds of format 1 that this version knows."""

    SMUGGLING_ROUTE = "smuggling_route"
    ORGANISED_GROUP = "organised_group"
    TRAVEL_DOCUMENT = "travel_document"
    CONCEALMENT_METHOD = "concealment_method"
    EXPERTISE = "expertise"
    TECHNICAL_INFORMATION = "technical_information"
    BOAT_SUPPLY = "boat_supply"
    ONLINE_ADVERT = "online_advert"
    ASSET_SEIZURE = "asset_seizure"
    RETURN_CASE = "return_case"
    DEBRIEF = "debrief"
    INFORMATION_REQUEST = "information_request"
    INFORMATION_RESPONSE = "information_response"
    JOINT_OPERATION = "joint_operation"
    OFFICER_DEPLOYMENT = "officer_deployment"


_ISO_3166_1 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW "
    "BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI "
    "FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN "
    "IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
    "MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF "
    "PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE "
    "YT ZA ZM ZW"
)

UNKNOWN_STATE = "ZZ"

#: State codes are many and data-like, so the enum is built from the list instead of written out.
State = StrEnum(  # type: ignore[misc]  # mypy wants the members written out
    "State", {code: code for code in [*_ISO_3166_1.split(), "XA", "XB", UNKNOWN_STATE]}
)
