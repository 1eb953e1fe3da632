"""Words the demo company's people, addresses and messages are made of: plain lists, nothing that computes.

E-mail domains end in ``.example`` and telephone numbers use the 555-01xx range, both reserved for fiction.
"""


def _listed(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(separator))


GIVEN_NAMES = _listed(
    "Abigail Adam Adriana Aisha Alan Amara Andre Angela Anita Anton Beatriz Benjamin Bianca Brian Camila Carlos Carmen "
    "Cedric Chloe Clara Colin Cora Daniel Deepa Diana Dmitri Dolores Edith Elena Elias Emeka Emma Erik Esther Farah "
    "Felix Fiona Frank Gabriel Grace Greta Hana Harold Hector Ingrid Irene Isaac Jamal Jasmine Jerome Joan Jonas Julia "
    "Karim Katya Kenji Laura Leon Lila Linda Lucas Maeve Malik Marco Maria Martin Mei Miriam Nadia Nathan Nina Olga "
    "Omar Oscar Paula Pedro Priya Quentin Rachel Rafael Rosa Ruth Samir Sandra Sergio Simone Sofia Stefan Tamara "
    "Teresa Thomas Uma Valeria Victor Wanda Wesley Xavier Yara Yusuf Zoe"
)

FAMILY_NAMES = _listed(
    "Abbott Acosta Adeyemi Alvarez Andersen Baptiste Barnes Becker Bianchi Blake Boateng Brennan Calloway Castillo "
    "Chandra Cho Coleman Cordova Dahl Delgado Dietrich Dubois Eastman Ellis Farrell Ferreira Fischer Foley Fujita "
    "Gallagher Garcia Gomes Graham Grant Gupta Haddad Hale Hansen Hayashi Herrera Hoffman Holt Ibrahim Ivanov Jansen "
    "Jennings Kaplan Keller Khan Kovacs Lambert Larsen Lee Lindqvist Lopez Mackenzie Maldonado Marsh Mbeki Meyer "
    "Molina Moreau Nakamura Navarro Nguyen Novak Oakley Okafor Olsen Ortega Park Patel Pereira Petrov Quinn Ramos "
    "Reyes Richter Romano Rosales Santos Schneider Shah Silva Sokolov Sorensen Sullivan Takahashi Thompson Torres "
    "Udall Vance Vargas Vogel Wagner Walsh Whitaker Wong Yamada Young Zamora Ziegler"
)

EMAIL_DOMAINS = ("mailbox.example", "postbox.example", "inbox.example", "letters.example", "parcel.example")
TYPO_DOMAINS = {
    "mailbox.example": "mailbx.example",
    "postbox.example": "potsbox.example",
    "inbox.example": "imbox.example",
    "letters.example": "leters.example",
    "parcel.example": "parcle.example",
}
OFFICES = ("harborlegal", "northdental", "lakeviewdesign", "prairiebooks", "quarrystudio", "elmstreetclinic")

STREETS = _listed(
    "Alder Street|Birch Avenue|Cedar Lane|Dogwood Drive|Elm Street|Fulton Avenue|Grove Street|Harbor Road|Ivy Court|"
    "Juniper Way|Kent Avenue|Linden Street|Maple Avenue|Norwood Road|Oak Street|Prairie Avenue|Quarry Road|"
    "River Street|Spruce Avenue|Union Street|Walnut Street",
    "|",
)

#: Region to cities: name, state, first three digits of the postcode, area code.
CITIES = {
    "northeast": (
        ("Boston", "MA", "021", "617"),
        ("Providence", "RI", "029", "401"),
        ("Albany", "NY", "122", "518"),
        ("Pittsburgh", "PA", "152", "412"),
        ("Hartford", "CT", "061", "860"),
    ),
    "midwest": (
        ("Chicago", "IL", "606", "312"),
        ("Milwaukee", "WI", "532", "414"),
        ("Columbus", "OH", "432", "614"),
        ("Minneapolis", "MN", "554", "612"),
        ("Omaha", "NE", "681", "402"),
    ),
    "south": (
        ("Austin", "TX", "787", "512"),
        ("Nashville", "TN", "372", "615"),
        ("Raleigh", "NC", "276", "919"),
        ("Tampa", "FL", "336", "813"),
        ("Richmond", "VA", "232", "804"),
    ),
    "west": (
        ("Seattle", "WA", "981", "206"),
        ("Denver", "CO", "802", "303"),
        ("Portland", "OR", "972", "503"),
        ("Tucson", "AZ", "857", "520"),
        ("Oakland", "CA", "946", "510"),
    ),
}

SUBJECTS = _listed(
    "Question about my order|The machine does not heat up|How do I descale it?|Beans missing from the box|"
    "Change of address|Grinder setting for dark roast|Invoice needed|Cannot sign in|Leaking portafilter",
    "|",
)
TOPICS = _listed(
    "Dialling in a light roast|Which grinder next?|Milk texture tips|Show your morning set-up|Water hardness and scale|"
    "Best beans this month|Cleaning routine",
    "|",
)
POSTS = _listed(
    "Two grams finer and the sour note was gone.|Mine took a week to settle, then it was great.|"
    "Try warming the cup first.|I use filtered water since last summer.|Nice set-up!|"
    "Same here, a new gasket helped.|The medium roast works best for me.",
    "|",
)
