"""What columns are called: the words of a header, by the field that it fills, in five languages.

English, Spanish, French, German and Portuguese, as ``columns.folded`` writes them: small letters
without accents, words joined by ``_``.
"""

from __future__ import annotations

import re

CATEGORY, TEXT = "category", "text"
"""Columns of few values that repeat, and of free text: each stays a column of its own."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIELDS: dict[str, tuple[str, ...]] = {
    "full_name_raw": _words(
        """full_name fullname name nom display_name customer_name contact_name person_name company_name
        business_name legal_name organisation_name organization_name
        nombre_completo nombre_y_apellidos nombre_y_apellido razon_social cliente titular empresa
        nom_complet nom_et_prenom nom_prenom prenom_nom raison_sociale entreprise societe
        vollstandiger_name vollstaendiger_name vor_und_nachname firma firmenname
        nome_completo nome_e_sobrenome razao_social nome_empresarial"""
    ),
    "given_name_raw": _words(
        """given_name first_name firstname forename fname first_names given_names givenname
        nombre nombres nom_cte nombre_de_pila nombre_pila primer_nombre
        prenom prenoms premier_prenom vorname vornamen rufname
        nome primeiro_nome nome_proprio nomes_proprios prenome"""
    ),
    "surname_raw": _words(
        """surname last_name lastname family_name familyname lname
        apellido apellidos primer_apellido apellido_paterno ap_paterno paterno ap_pat apellido_1 apellido1 primer_ap
        nom_de_famille nom_famille nom_usuel nom_d_usage
        nachname familienname zuname
        sobrenome sobrenomes apelido apelidos ultimo_nome nome_de_familia"""
    ),
    "second_surname_raw": _words(
        """second_surname second_last_name segundo_apellido apellido_materno ap_materno materno ap_mat apellido_2 apellido2
        deuxieme_nom second_nom zweiter_nachname segundo_sobrenome segundo_apelido"""
    ),
    "birth_date_raw": _words(
        """birth_date date_of_birth dob birthdate birthday born birth_day
        fecha_nacimiento fecha_de_nacimiento fec_nac fec_nacimiento fecha_nac f_nacimiento f_nac nacimiento
        date_de_naissance date_naissance naissance dt_naissance ne_le nee_le
        geburtsdatum geb_datum gebdatum geburtstag geboren geboren_am
        data_nascimento data_de_nascimento dt_nascimento dt_nasc data_nasc nascimento"""
    ),
    "tax_id_raw": _words(
        """tax_id tax_number tin vat vat_id vat_number nif n_i_f dni d_n_i nie cif c_i_f rfc r_f_c curp rut cedula documento
        numero_fiscal no_fiscal siren siret tva no_tva numero_tva
        steuernummer steuer_id steuernr ust_id ust_idnr ustid umsatzsteuer_id
        cpf cnpj contribuinte numero_de_contribuinte"""
    ),
    "emails_raw": _words(
        """email emails e_mail mail email_address email_id e_mail_address mail_address
        correo correo_electronico courriel mel adresse_mail adresse_email adresse_e_mail adresse_electronique
        e_mail_adresse email_adresse mailadresse correio correio_eletronico endereco_de_email"""
    ),
    "phones_raw": _words(
        """phone phones phone_number telephone telephone_number tel mobile cell cellphone mobile_number landline
        telefono telefono_movil movil celular cel fijo telefonos telef telf tlf tlfno tfno
        portable fixe tel_portable numero_de_telephone
        telefon telefonnummer handy handynummer mobil mobilnummer mobiltelefon rufnummer festnetz
        telefone telemovel fone numero_de_telefone"""
    ),
    "address_raw": _words(
        """address street street_address street_name street_number house_number address_line
        direccion domicilio calle num_ext numero_exterior num_int numero_interior
        adresse adresse_postale rue voie nom_de_voie numero_de_voie complement_adresse
        strasse str hausnummer hausnr hnr anschrift strassenname
        morada endereco logradouro rua complemento numero_da_porta"""
    ),
    "district_raw": _words(
        """district neighbourhood neighborhood colonia barrio asentamiento
        quartier arrondissement ortsteil stadtteil bairro freguesia"""
    ),
    "postal_code_raw": _words(
        """postal_code postalcode postcode post_code zip zip_code zipcode cp c_p codigo_postal cod_postal
        code_postal plz postleitzahl cep cod_post"""
    ),
    "city_raw": _words(
        """city town suburb locality place residence ciudad municipio localidad poblacion lugar
        ville commune localite ort stadt wohnort gemeinde cidade localidade concelho"""
    ),
    "state_raw": _words(
        """state province county region estado edo provincia departement bundesland kanton uf distrito"""
    ),
    "country_raw": _words(
        "country country_code nation pais codigo_pais pays code_pays land landercode laendercode"
    ),
    "party_type_raw": _words(
        """party_type entity_type customer_type tipo_persona tipo_de_persona tipo_pessoa tipo_de_pessoa
        type_personne personentyp"""
    ),
    "loyalty_id": _words(
        """loyalty_id loyalty_number card_no card_number member_no membership_number tarjeta num_tarjeta
        numero_de_tarjeta ssn soc_sec_id social_security_number nss passport passport_number pasaporte
        carte_fidelite numero_de_carte num_carte passeport numero_securite_sociale
        kundenkarte kartennummer reisepass passnummer sozialversicherungsnummer
        cartao cartao_fidelidade numero_do_cartao passaporte"""
    ),
    CATEGORY: _words(
        """gender sex sexo genero sexe genre geschlecht
        occupation profession job job_title ocupacion profesion oficio puesto metier beruf tatigkeit taetigkeit
        profissao ocupacao
        birth_place birthplace place_of_birth birth_city city_of_birth birth_country country_of_birth
        lugar_nacimiento lugar_de_nacimiento ciudad_de_nacimiento pais_de_nacimiento entidad_nacimiento
        lieu_naissance lieu_de_naissance ville_de_naissance pays_de_naissance geburtsort geburtsland
        local_de_nascimento naturalidade cidade_de_nascimento pais_de_nascimento
        nationality citizenship nacionalidad nationalite staatsangehorigkeit staatsangehoerigkeit nationalitat
        nationalitaet nacionalidade
        marital_status civil_status estado_civil etat_civil situation_familiale familienstand
        ethnicity religion language idioma langue sprache lingua
        salutation tratamiento civilite anrede tratamento"""
    ),
    TEXT: _words(
        """notes note comments comment remarks description observations free_text biography bio
        notas observaciones comentarios descripcion remarques commentaires
        bemerkungen bemerkung notizen beschreibung observacoes anotacoes descricao"""
    ),
}
"""Field → names of columns that fill it. Those of a person's number that no check digit proves (a
card, a social security number) fill ``loyalty_id``: an exact key that may be misspelt."""

NAME_OR_SURNAME = frozenset(("name", "nom"))
"""Words that mean the surname beside a given name, the given name beside a surname, all of it alone."""

BOOKKEEPING = frozenset(
    _words(
        """id ids uuid guid key clave index idx row line rowid hash md5 checksum
        source sources system origin fuente origen quelle fonte file batch lote load run version
        cluster clusters entity group grupo gruppe groupe label labels truth match fold split
        created updated modified changed inserted deleted timestamp date time datetime at by
        creado actualizado modificado fecha alta baja cree modifie erstellt geandert geaendert criado atualizado
        status state_code flag active activo aktiv actif ativo enabled url link path password token"""
    )
)
"""Words of columns about the record and not about whom it describes: no evidence, whatever they hold."""

STAFF = frozenset(
    _words(
        """seller salesman saleswoman salesperson salesrep sales_rep agent employee staff clerk cashier operator advisor
        adviser assignee assigned_to account_manager store_manager courier
        vendedor vendedora agente empleado empleada cajero cajera asesor asesora operador operadora ejecutivo ejecutiva
        gestor gestora repartidor repartidora mensajero promotor promotora cobrador dependiente dependienta asignado_a
        comercial_asignado del_comercial
        vendeur vendeuse caissier caissiere employe conseiller conseillere
        verkaeufer verkaufer mitarbeiter mitarbeiterin kassierer kassiererin berater sachbearbeiter
        funcionario funcionaria atendente"""
    )
)
"""Words for those who served the party: a name or a contact in such a column is theirs."""
DONE_BY = re.compile(r"(?:ed|en|made)_by(?:_|$)|(?:[ai]d[oa]|hecho)_por(?:_|$)")
"""Who did something ("created_by", "atendido por"), and not how ("contact_by_email")."""
