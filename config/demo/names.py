"""What people are called, and where they live, in four countries. Put together by hand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A city, how many of the country's hundred live there, where its postal codes begin."""

    name: str
    weight: int
    postal_code: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Country:
    """How people of a country are called and reached.

    Digits stand for `#` in `postal_code` and `phone`; telephone numbers are from ranges that
    nobody has. `feminine` are the endings of last names that differ for women.
    """

    code: str
    share: float
    language: str
    women: tuple[str, ...]
    men: tuple[str, ...]
    last_names: tuple[str, ...]
    cities: tuple[City, ...]
    phone: str
    feminine: tuple[tuple[str, str], ...] = ()


def _cities(zone: str, *rows: tuple[str, int, str]) -> tuple[City, ...]:
    return tuple(City(name, weight, code, zone) for name, weight, code in rows)


_EAST, _CENTRAL, _WEST = "America/New_York", "America/Chicago", "America/Los_Angeles"

POLAND = Country(
    code="PL",
    share=0.34,
    language="pl",
    women=(
        *("Anna", "Katarzyna", "Małgorzata", "Agnieszka", "Barbara", "Ewa", "Krystyna", "Joanna"),
        *("Magdalena", "Monika", "Zofia", "Maja", "Hanna", "Julia", "Aleksandra", "Natalia"),
        *("Weronika", "Karolina", "Paulina", "Dorota", "Beata", "Iwona", "Justyna", "Alicja"),
    ),
    men=(
        *("Piotr", "Krzysztof", "Andrzej", "Tomasz", "Jan", "Paweł", "Michał", "Marcin"),
        *("Stanisław", "Jakub", "Adam", "Marek", "Łukasz", "Grzegorz", "Mateusz", "Wojciech"),
        *("Mariusz", "Dariusz", "Kamil", "Szymon", "Filip", "Antoni", "Bartosz", "Rafał"),
    ),
    last_names=(
        *("Nowak", "Kowalski", "Wiśniewski", "Wójcik", "Kowalczyk", "Kamiński", "Lewandowski"),
        *("Zieliński", "Szymański", "Woźniak", "Dąbrowski", "Kozłowski", "Jankowski", "Mazur"),
        *("Krawczyk", "Piotrowski", "Grabowski", "Nowakowski", "Pawłowski", "Michalski", "Król"),
        *("Wieczorek", "Jabłoński", "Wróbel", "Majewski", "Olszewski", "Stępień", "Malinowski"),
        *("Jaworski", "Adamczyk", "Dudek", "Pawlak", "Górski", "Nowicki", "Sikora", "Walczak"),
        *("Witkowski", "Baran", "Rutkowski", "Michalak", "Szewczyk", "Ostrowski", "Tomaszewski"),
    ),
    cities=_cities(
        "Europe/Warsaw",
        *(("Warszawa", 30, "0#-###"), ("Kraków", 14, "3#-###"), ("Wrocław", 11, "5#-###")),
        *(("Łódź", 9, "9#-###"), ("Poznań", 9, "6#-###"), ("Gdańsk", 8, "80-###")),
        *(("Szczecin", 5, "7#-###"), ("Lublin", 5, "20-###"), ("Katowice", 5, "40-###")),
        *(("Białystok", 4, "15-###"),),
    ),
    phone="+48 22 000 ####",
    feminine=(("ski", "ska"), ("cki", "cka"), ("dzki", "dzka")),
)

GERMANY = Country(
    code="DE",
    share=0.26,
    language="de",
    women=(
        *("Anna", "Emma", "Mia", "Hannah", "Lena", "Leonie", "Sophie", "Marie", "Laura", "Julia"),
        *("Katharina", "Sabine", "Petra", "Monika", "Ursula", "Claudia", "Birgit", "Heike"),
        *("Ines", "Franziska", "Johanna", "Clara", "Ronja", "Greta"),
    ),
    men=(
        *("Ben", "Paul", "Finn", "Jonas", "Felix", "Leon", "Lukas", "Maximilian", "Tobias"),
        *("Stefan", "Thomas", "Andreas", "Jürgen", "Wolfgang", "Klaus", "Matthias", "Sebastian"),
        *("Jan", "Florian", "Moritz", "Henrik", "Uwe", "Dirk", "Götz"),
    ),
    last_names=(
        *("Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker"),
        *("Schulz", "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf"),
        *("Schröder", "Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger", "Hofmann", "Lange"),
        *("Krause", "Lehmann", "Köhler", "Maier", "Fuchs", "Kaiser", "Peters", "Scholz", "Möller"),
        *("Weiß", "Jung", "Hahn", "Vogel", "Friedrich", "Keller", "Günther", "Berger", "Winkler"),
    ),
    cities=_cities(
        "Europe/Berlin",
        *(("Berlin", 26, "10###"), ("Hamburg", 15, "20###"), ("München", 14, "80###")),
        *(("Köln", 10, "50###"), ("Frankfurt am Main", 8, "60###"), ("Leipzig", 7, "04###")),
        *(("Stuttgart", 6, "70###"), ("Dresden", 6, "01###"), ("Bremen", 4, "28###")),
        *(("Nürnberg", 4, "90###"),),
    ),
    phone="+49 30 23125 ###",
)

FRANCE = Country(
    code="FR",
    share=0.20,
    language="fr",
    women=(
        *("Marie", "Camille", "Léa", "Manon", "Chloé", "Inès", "Jade", "Louise", "Emma", "Alice"),
        *("Nathalie", "Isabelle", "Sylvie", "Catherine", "Françoise", "Valérie", "Céline"),
        *("Aurélie", "Élodie", "Juliette", "Margaux", "Noémie", "Apolline", "Océane"),
    ),
    men=(
        *("Jean", "Pierre", "Michel", "Philippe", "Alain", "Nicolas", "Julien", "Thomas"),
        *("Antoine", "Alexandre", "Maxime", "Lucas", "Hugo", "Louis", "Gabriel", "Raphaël"),
        *("Arthur", "Théo", "Étienne", "François", "Olivier", "Laurent", "Benoît", "Rémi"),
    ),
    last_names=(
        *("Martin", "Bernard", "Thomas", "Petit", "Robert", "Richard", "Durand", "Dubois"),
        *("Moreau", "Laurent", "Simon", "Michel", "Lefèvre", "Leroy", "Roux", "David", "Bertrand"),
        *("Morel", "Fournier", "Girard", "Bonnet", "Dupont", "Lambert", "Fontaine", "Rousseau"),
        *("Vincent", "Muller", "Lefebvre", "Faure", "André", "Mercier", "Blanc", "Guérin", "Boyer"),
        *("Garnier", "Chevalier", "Legrand", "Gauthier", "Perrin", "Robin", "Clément", "Morin"),
    ),
    cities=_cities(
        "Europe/Paris",
        *(("Paris", 32, "750##"), ("Lyon", 14, "6900#"), ("Marseille", 11, "1300#")),
        *(("Toulouse", 9, "31###"), ("Nantes", 8, "44###"), ("Bordeaux", 8, "33###")),
        *(("Lille", 6, "59###"), ("Strasbourg", 5, "67###"), ("Nice", 4, "06###")),
        *(("Rennes", 3, "35###"),),
    ),
    phone="+33 6 39 98 ## ##",
)

AMERICA = Country(
    code="US",
    share=0.20,
    language="en",
    women=(
        *("Emily", "Olivia", "Ava", "Sophia", "Isabella", "Mia", "Charlotte", "Grace", "Hannah"),
        *("Jennifer", "Jessica", "Ashley", "Sarah", "Amanda", "Nicole", "Melissa", "Rachel"),
        *("Denise", "Tamika", "Guadalupe", "Mei", "Priya", "Naomi", "Ruth"),
    ),
    men=(
        *("James", "John", "Robert", "Michael", "William", "David", "Daniel", "Matthew"),
        *("Anthony", "Joshua", "Andrew", "Ryan", "Tyler", "Brandon", "Marcus", "Ethan", "Noah"),
        *("Liam", "Mason", "Jamal", "Carlos", "Kenji", "Arjun", "Walter"),
    ),
    last_names=(
        *("Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis"),
        *("Rodriguez", "Martinez", "Hernandez", "Lopez", "Wilson", "Anderson", "Taylor", "Moore"),
        *("Jackson", "Lee", "Perez", "Thompson", "White", "Harris", "Clark", "Lewis", "Robinson"),
        *("Walker", "Young", "Allen", "King", "Wright", "Scott", "Torres", "Nguyen", "Hill"),
        *("Flores", "Green", "Adams", "Nelson", "Baker", "Rivera", "Campbell", "O'Connor"),
    ),
    cities=(
        *_cities(_EAST, ("New York", 24, "100##"), ("Boston", 8, "021##"), ("Atlanta", 9, "303##")),
        *_cities(_CENTRAL, ("Chicago", 13, "606##"), ("Austin", 7, "787##")),
        *_cities(_WEST, ("Los Angeles", 14, "900##"), ("San Francisco", 9, "941##")),
        *_cities(_WEST, ("Seattle", 9, "981##"), ("Portland", 7, "972##")),
    ),
    phone="+1 206 555 01##",
)

COUNTRIES = (POLAND, GERMANY, FRANCE, AMERICA)
