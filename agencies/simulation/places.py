"""Places by state: where things are seen, loaded and landed.

Ports and towns are real where the state is; nothing that is said to have happened there did. Those of XA and XB exist
as little as the two states do. A place code is given where it is certain.
"""

from typing import Final

from schemas.codes import State
from schemas.records.particulars import Place

_TEXT: Final = {
    "GB": "Dover=GBDVR Folkestone=GBFOL Ramsgate=GBRMG Dungeness Kingsdown Portsmouth=GBPME Purfleet",
    "FR": "Dunkerque=FRDKK Calais=FRCQF Boulogne-sur-Mer=FRBOL Gravelines Loon-Plage Berck Marseille=FRMRS",
    "DE": "Hamburg=DEHAM Köln=DECGN Osnabrück Passau Görlitz Bremerhaven=DEBRV",
    "IT": "Bari=ITBRI Brindisi=ITBDS Trieste=ITTRS Crotone Lampedusa Ventimiglia Gorizia",
    "AT": "Wien=ATVIE Nickelsdorf Villach Spielfeld Kufstein",
    "AL": "Durrës=ALDRZ Vlorë Sarandë Shëngjin Kukës",
    "NL": "Rotterdam=NLRTM Den_Haag Vlissingen=NLVLI Eindhoven Venlo",
    "IE": "Dublin=IEDUB Rosslare Cork=IEORK",
    "US": "San_Diego=USSAN Brownsville Laredo Miami=USMIA Newark",
    "CA": "Vancouver=CAVAN Windsor Cornwall Montréal=CAMTR Halifax=CAHAL",
    "JP": "横浜=JPYOK 神戸=JPUKB 博多=JPHKT 大阪=JPOSA 下関",
    "XA": "Ras_Sahir=XARSH Qasr_al-Bahr=XAQAB Wadi_Zahra=XAWZH Bir_Nasim Marsa_Tuyur=XAMTY",
    "XB": "Cảng_Hòa_Minh=XBCHM Bến_Lộc=XBBLC Đông_Sơn_Mới Vịnh_Trai=XBVTR Phố_Đèn",
}


def _read(state: str, text: str) -> Place:
    name, _, locode = text.partition("=")
    return Place(name=name.replace("_", " "), state=State(state), locode=locode or None)


PLACES: Final = {State(state): tuple(_read(state, t) for t in text.split()) for state, text in _TEXT.items()}


def places_of(state: State) -> tuple[Place, ...]:
    """The places of a state, never none: a state without any is told by its code."""
    return PLACES.get(state) or (Place(name=f"{state}, place unknown", state=state),)
