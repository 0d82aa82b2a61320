"""Towns, streets and neighbourhoods of Mexico and Spain: a small gazetteer with room for a million addresses.

Postal codes begin as the town's really do; their last digits are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.simulate.text import Bools, Ints, chosen, codes, constant, joined, numbers, take, text, where

# town, state, first and last postal code (thousands), dialling code, weight
_TOWNS_MX = """
Cuauhtémoc|Ciudad de México|06000|06899|55|54;Gustavo A. Madero|Ciudad de México|07000|07999|55|117
Iztapalapa|Ciudad de México|09000|09969|55|183;Benito Juárez|Ciudad de México|03000|03949|55|43
Álvaro Obregón|Ciudad de México|01000|01990|55|76;Coyoacán|Ciudad de México|04000|04980|55|61
Ecatepec de Morelos|México|55000|55549|55|164;Nezahualcóyotl|México|57000|57950|55|108
Naucalpan de Juárez|México|53000|53970|55|83;Toluca|México|50000|50295|722|91
Tlalnepantla de Baz|México|54000|54190|55|67;Metepec|México|52140|52176|722|24
Guadalajara|Jalisco|44100|44990|33|139;Zapopan|Jalisco|45010|45245|33|148
San Pedro Tlaquepaque|Jalisco|45500|45640|33|69;Puerto Vallarta|Jalisco|48280|48399|322|29
Monterrey|Nuevo León|64000|64990|81|114;Guadalupe|Nuevo León|67100|67205|81|64
San Nicolás de los Garza|Nuevo León|66400|66499|81|41;Apodaca|Nuevo León|66600|66649|81|66
San Pedro Garza García|Nuevo León|66200|66297|81|13;Puebla|Puebla|72000|72595|222|169
San Pedro Cholula|Puebla|72750|72776|222|14;Tehuacán|Puebla|75700|75859|238|33
León|Guanajuato|37000|37549|477|172;Irapuato|Guanajuato|36500|36848|462|59
Celaya|Guanajuato|38000|38160|461|52;Salamanca|Guanajuato|36700|36890|464|27
Tijuana|Baja California|22000|22710|664|181;Mexicali|Baja California|21000|21399|686|105
Ensenada|Baja California|22800|22899|646|44;Ciudad Juárez|Chihuahua|32000|32699|656|151
Chihuahua|Chihuahua|31000|31415|614|93;Mérida|Yucatán|97000|97314|999|92
Cancún|Quintana Roo|77500|77569|998|89;Santiago de Querétaro|Querétaro|76000|76270|442|105
Veracruz|Veracruz de Ignacio de la Llave|91700|91966|229|61;Xalapa|Veracruz de Ignacio de la Llave|91000|91193|228|49
Coatzacoalcos|Veracruz de Ignacio de la Llave|96400|96590|921|31;Hermosillo|Sonora|83000|83299|662|94
Culiacán|Sinaloa|80000|80299|667|100;Mazatlán|Sinaloa|82000|82199|669|50
Saltillo|Coahuila de Zaragoza|25000|25299|844|88;Torreón|Coahuila de Zaragoza|27000|27299|871|72
Aguascalientes|Aguascalientes|20000|20299|449|95;San Luis Potosí|San Luis Potosí|78000|78399|444|91
Morelia|Michoacán de Ocampo|58000|58341|443|85;Uruapan|Michoacán de Ocampo|60000|60190|452|36
Acapulco de Juárez|Guerrero|39300|39907|744|78;Cuernavaca|Morelos|62000|62589|777|38
Tuxtla Gutiérrez|Chiapas|29000|29099|961|60;Oaxaca de Juárez|Oaxaca|68000|68159|951|27
Villahermosa|Tabasco|86000|86299|993|68;Durango|Durango|34000|34299|618|69
Tampico|Tamaulipas|89000|89367|833|30;Reynosa|Tamaulipas|88500|88799|899|70
Pachuca de Soto|Hidalgo|42000|42119|771|31;Zacatecas|Zacatecas|98000|98099|492|15
Tepic|Nayarit|63000|63197|311|43;Colima|Colima|28000|28089|312|16
"""
_TOWNS_ES = """
Madrid|Madrid|28001|28055|91|330;Alcalá de Henares|Madrid|28801|28807|91|20;Móstoles|Madrid|28931|28939|91|21
Barcelona|Barcelona|08001|08042|93|164;L'Hospitalet de Llobregat|Barcelona|08901|08908|93|27
Badalona|Barcelona|08910|08918|93|22;Sabadell|Barcelona|08201|08208|93|22;Girona|Girona|17001|17007|972|10
Lleida|Lleida|25001|25008|973|14;Tarragona|Tarragona|43001|43008|977|14;Valencia|Valencia|46001|46026|96|80
Alicante|Alicante|03001|03016|96|34;Elche|Alicante|03201|03208|96|23;Castellón de la Plana|Castellón|12001|12006|964|17
Sevilla|Sevilla|41001|41020|95|68;Málaga|Málaga|29001|29018|95|58;Granada|Granada|18001|18015|958|23
Córdoba|Córdoba|14001|14014|957|32;Cádiz|Cádiz|11001|11012|956|11;Jerez de la Frontera|Cádiz|11401|11408|956|21
Almería|Almería|04001|04009|950|20;Jaén|Jaén|23001|23009|953|11;Huelva|Huelva|21001|21007|959|14
Zaragoza|Zaragoza|50001|50018|976|68;Bilbao|Bizkaia|48001|48015|94|35;Donostia|Gipuzkoa|20001|20018|943|19
Vitoria-Gasteiz|Álava|01001|01015|945|25;Pamplona|Navarra|31001|31016|948|20;Logroño|La Rioja|26001|26009|941|15
A Coruña|A Coruña|15001|15011|981|25;Vigo|Pontevedra|36201|36216|986|29;Ourense|Ourense|32001|32005|988|10
Oviedo|Asturias|33001|33013|98|22;Gijón|Asturias|33201|33213|98|27;Santander|Cantabria|39001|39012|942|17
Valladolid|Valladolid|47001|47017|983|30;Salamanca|Salamanca|37001|37008|923|14;Burgos|Burgos|09001|09007|947|17
León|León|24001|24010|987|12;Badajoz|Badajoz|06001|06011|924|15;Murcia|Murcia|30001|30012|968|46
Cartagena|Murcia|30201|30205|968|22;Albacete|Albacete|02001|02008|967|17;Toledo|Toledo|45001|45009|925|8
Palma|Illes Balears|07001|07015|971|42;Las Palmas de Gran Canaria|Las Palmas|35001|35019|928|38
Santa Cruz de Tenerife|Santa Cruz de Tenerife|38001|38010|922|21
"""
_STREETS_MX = """Benito Juárez;Miguel Hidalgo;José María Morelos;Francisco I. Madero;Venustiano Carranza;Emiliano Zapata;
Francisco Villa;Lázaro Cárdenas;Vicente Guerrero;Ignacio Allende;Ignacio Zaragoza;Álvaro Obregón;Guadalupe Victoria;
Niños Héroes;5 de Mayo;16 de Septiembre;20 de Noviembre;Independencia;Revolución;Reforma;Constitución;Insurgentes;
Universidad;Tecnológico;Las Flores;Los Pinos;Encino;Cerro Azul;Río Bravo;Río Lerma;Santa María;San Pedro;San Juan;Patria;
Colón;Cuauhtémoc;Melchor Ocampo;Josefa Ortiz de Domínguez;Aquiles Serdán;Pino Suárez;Adolfo López Mateos;Mariano Abasolo;
Nicolás Bravo;Galeana;Belisario Domínguez;Libertad;Allende;Jazmín;Bugambilias;Del Valle""".replace(
    "\n", ""
).split(";")
_STREETS_ES = """Mayor;Real;Nueva;de Alcalá;Gran Vía;de la Paz;del Carmen;Larios;Sierpes;de Balmes;de Provença;de Aragó;
de la Constitución;de España;San Juan;San Francisco;Santa Ana;del Sol;de la Iglesia;de Cervantes;de Goya;de Velázquez;
de Serrano;de la Libertad;del Mar;de Andalucía;de Castilla;de Valencia;de Madrid;de Ramón y Cajal;de Miguel Hernández;
de Federico García Lorca;de Antonio Machado;de la Estación;del Río;de los Olivos;del Pilar;de San José;de la Fuente;
de la Ermita;de Blasco Ibáñez;de Isaac Peral;de Gaudí;de Colón;de Pintor Sorolla""".replace("\n", "").split(
    ";"
)
_TYPES_MX = ["", "Calle", "C.", "Av.", "Avenida", "Blvd.", "Priv.", "Calz.", "Cda.", "Prol."]
_TYPES_ES = ["Calle", "C/", "Avda.", "Av.", "Plaza", "Pza.", "Paseo", "P.º", "Camino", "Ronda"]
_AREA_1 = """Centro;Villa;Jardines de;Lomas de;Residencial;Ampliación;Hacienda;Valle;Bosques de;San;Santa;Colinas de;
Paseos de;Unidad;Fraccionamiento;Nueva;Rincón de;Praderas de;Mirador;Vista""".replace("\n", "").split(";")
_AREA_2 = """Hidalgo;Juárez;las Flores;San Miguel;la Cruz;Guadalupe;del Sol;Chapultepec;el Roble;los Pinos;la Fuente;
del Campo;Santa Fe;los Ángeles;la Esperanza;el Pedregal;Morelos;Tepeyac;Aragón;la Loma;San Rafael;el Rosario;los Olivos;
la Paz;del Lago;Cuauhtémoc;la Estancia;los Reyes;Insurgentes;el Paraíso""".replace("\n", "").split(";")
_AREAS_ES = """Centro;Casco Antiguo;Casco Histórico;Ensanche;Arganzuela;Chamberí;Eixample;El Raval;Gràcia;Poblenou;Centre;
Ciutat Vella;Triana;Nervión;Ruzafa;Abando;Deusto;Delicias;San José;El Carmen;La Paz;Los Remedios;Las Huertas;
Ciudad Jardín;San Roque;Santa Lucía;Vistalegre;El Pilar;La Macarena;Universidad""".replace("\n", "").split(
    ";"
)


@dataclass(frozen=True)
class Gazetteer:
    """The towns of both countries, one row each; ``first_of`` and ``shares`` are by country."""

    town: pa.StringArray
    state: pa.StringArray
    postal_from: Ints
    postal_to: Ints
    dialling: pa.StringArray
    country: Ints
    shares: tuple[np.ndarray, np.ndarray]
    first_of: tuple[int, int]


def gazetteer() -> Gazetteer:
    """The towns, parsed."""
    rows = [
        (*line.split("|"), country)
        for country, block in enumerate((_TOWNS_MX, _TOWNS_ES))
        for line in block.strip().replace("\n", ";").split(";")
    ]
    town, state, low, high, dialling, weight, country = (list(c) for c in zip(*rows, strict=True))
    at = np.array(country)
    share = np.array(weight, float)
    return Gazetteer(
        text(town),
        text(state),
        np.array(low, np.int64),
        np.array(high, np.int64),
        text(dialling),
        at,
        (share[at == 0], share[at == 1]),
        (0, int((at == 0).sum())),
    )


@dataclass(frozen=True)
class Addresses:
    """Where people live, one row each."""

    town: Ints
    postal: Ints
    """The postal code as a number."""
    kind: Ints
    street: Ints
    number: Ints
    """0: without a number."""
    inside: Ints
    """0: no interior (Mexico) or floor (Spain)."""
    area: Ints

    def take(self, rows: Ints) -> Addresses:
        """The addresses at ``rows``."""
        return Addresses(*(getattr(self, f)[rows] for f in self.__dataclass_fields__))

    def put(self, rows: Ints, other: Addresses) -> None:
        """Replace the addresses at ``rows``."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[rows] = getattr(other, name)


def joined_addresses(one: Addresses, two: Addresses) -> Addresses:
    """Two lists of addresses as one."""
    return Addresses(
        *(np.concatenate([getattr(one, f), getattr(two, f)]) for f in Addresses.__dataclass_fields__)
    )


def chosen_addresses(mask: Bools, yes: Addresses, no: Addresses) -> Addresses:
    """Row by row ``yes`` where the mask holds, else ``no``."""
    return Addresses(
        *(np.where(mask, getattr(yes, f), getattr(no, f)) for f in Addresses.__dataclass_fields__)
    )


def draw_addresses(rng: np.random.Generator, book: Gazetteer, country: Ints) -> Addresses:
    """An address for each row in its country; towns by population."""
    size = len(country)
    town = np.zeros(size, np.int64)
    for code in (0, 1):
        rows = np.flatnonzero(country == code)
        town[rows] = book.first_of[code] + codes(rng, list(book.shares[code]), len(rows))
    low, high = book.postal_from[town], book.postal_to[town]
    spain = country == 1
    return Addresses(
        town=town,
        postal=low + (rng.random(size) * (high - low + 1)).astype(np.int64),
        kind=rng.integers(0, 10, size),
        # Half the streets bear a name everybody knows, half a surname of the dictionary.
        street=np.where(
            rng.random(size) < 0.5, rng.integers(0, 1 << 20, size), -rng.integers(1, 1 << 20, size)
        ),
        number=np.where(
            rng.random(size) < 0.02,
            0,
            np.where(spain, rng.integers(1, 190, size), rng.integers(1, 2500, size)),
        ),
        inside=np.where(rng.random(size) < np.where(spain, 0.6, 0.2), rng.integers(1, 60, size), 0),
        area=np.where(spain, rng.integers(0, len(_AREAS_ES), size), rng.integers(0, 600, size)),
    )


_KNOWN = {0: text(_STREETS_MX), 1: text(_STREETS_ES)}
_KINDS = {0: text(_TYPES_MX), 1: text(_TYPES_ES)}
_AREAS = {0: text([f"{a} {b}" for a in _AREA_1 for b in _AREA_2]), 1: text(_AREAS_ES)}


def street_text(address: Addresses, country: Ints, surnames: pa.StringArray) -> pa.StringArray:
    """Type and name of the street: ``Av. Insurgentes``, ``Calle de Sorolla``."""

    def known(code: int, rows: Ints) -> pa.StringArray:
        names = take(_KNOWN[code], address.street[rows] % len(_KNOWN[code]))
        return joined(_named_kind(code, rows), names, separator=" ")

    def honoured(code: int, rows: Ints) -> pa.StringArray:
        # The dictionary begins with the frequent surnames: streets are not named after rare ones.
        name = take(surnames, -address.street[rows] % min(len(surnames), 4000))
        title = ("General", "Doctor")[code] if code == 0 else "Doctor"
        lead = constant(title if code == 0 else f"de {title}", len(rows))
        return joined(_named_kind(code, rows), lead, name, separator=" ")

    def _named_kind(code: int, rows: Ints) -> pa.StringArray:
        kind = take(_KINDS[code], address.kind[rows])
        return where(address.kind[rows] == 0, None, kind) if code == 0 else kind

    which = country * 2 + (address.street < 0)
    return chosen(
        which,
        [
            lambda rows: known(0, rows),
            lambda rows: honoured(0, rows),
            lambda rows: known(1, rows),
            lambda rows: honoured(1, rows),
        ],
    )


def number_text(address: Addresses) -> pa.StringArray:
    """The house's number; ``S/N`` where it has none."""
    return where(address.number == 0, constant("S/N", len(address.number)), numbers(address.number))


def inside_text(address: Addresses, country: Ints) -> pa.StringArray:
    """Interior (``Int. 12``, ``Depto 3D``) or floor and door (``6º A``); NULL where there is none."""
    letter = text(list("ABCD"))
    return chosen(
        np.where(address.inside == 0, 0, np.where(country == 1, 1, 2 + address.inside % 2)),
        [
            lambda rows: constant(None, len(rows)),
            lambda rows: joined(
                numbers(1 + address.inside[rows] % 9), "º ", take(letter, address.inside[rows] % 4)
            ),
            lambda rows: joined("Int. ", numbers(address.inside[rows])),
            lambda rows: joined(
                "Depto ", numbers(1 + address.inside[rows] % 12), take(letter, address.inside[rows] // 12 % 4)
            ),
        ],
    )


def area_text(address: Addresses, country: Ints) -> pa.StringArray:
    """Colonia (Mexico) or district (Spain)."""
    return chosen(
        country,
        [
            lambda rows: take(_AREAS[0], address.area[rows]),
            lambda rows: take(_AREAS[1], address.area[rows] % len(_AREAS_ES)),
        ],
    )


def postal_text(address: Addresses) -> pa.StringArray:
    """The postal code, five digits."""
    return numbers(address.postal, 5)
