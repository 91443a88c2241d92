"""Templates: what is refused when they are saved, and how their gaps are filled."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import templates
from integrations.errors import (
    TemplateFailed,
    TemplateInUse,
    TemplateInvalid,
    TemplateUnknown,
)
from integrations.models import Template
from integrations.rendering import fill, fill_message
from integrations.template_variables import contact_values
from integrations.words import words_of
from tests.factories import NOW, make_attribute, make_contact, make_tag
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

CLERK = Actor(AuditEntry.ActorKind.USER, 1, "Clerk")
PARTS = {"subject": "Hello", "text": "Hello", "html": ""}


def make(**given: Any) -> Template:
    given = {"name": "Welcome", "subject": "Hello", "text": "Hello", **given}
    return templates.create_template(actor=SYSTEM, at=NOW, **given)


def faults(**given: Any) -> dict[tuple[str, str], str]:
    with pytest.raises(TemplateInvalid) as refused:
        make(**given)
    return {(one.path, one.code): one.message for one in refused.value.problems}


@pytest.mark.django_db
class TestSaving:
    def test_a_template_gets_a_key_of_its_name_once(self) -> None:
        assert [make(name="Za 25 złotych").key, make(name="Za 25 zlotych").key] == [
            "za-25-zlotych",
            "za-25-zlotych-2",
        ]
        assert make(name="Welcome").key == "welcome"
        assert make(name="Welcome").key == "welcome-2"
        assert AuditEntry.objects.filter(action="template.created").count() == 4

    def test_all_faults_are_told_at_once(self) -> None:
        found = faults(name=" ", subject="{{ contact.frist_name }}", text="a\n{% if %}", key="a b")
        assert set(found) == {
            ("name", "required"),
            ("key", "invalid"),
            ("subject", "unknown_variable"),
            ("text", "syntax"),
        }
        assert "Did you mean “contact.first_name”" in found["subject", "unknown_variable"]
        assert found["text", "syntax"].startswith("Line 2: ")

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("{{ contact.first_name", "syntax"),
            ("{% for tag in contact.tags %}", "syntax"),
            ("{% include 'other' %}", "syntax"),
            ("{% render 'other' %}", "syntax"),
            ("{{ contact.first_name | safe }}", "unknown_filter"),
            ("{{ contact.first_name | nothing }}", "unknown_filter"),
            ("{{ shoe_size }}", "unknown_variable"),
            ("{{ contact.attributes.shoe }}", "unknown_variable"),
            ("x" * 100_001, "too_long"),
            ("a\0b", "invalid"),
        ],
    )
    def test_what_could_not_be_sent_is_refused(self, text: str, code: str) -> None:
        assert ("text", code) in faults(text=text)

    def test_what_a_template_defines_itself_is_known(self) -> None:
        make_attribute("plan")
        text = (
            "{% assign name = contact.first_name | default: 'you' %}{{ name }}"
            "{% for tag in contact.tags %}{{ tag }} {{ forloop.index }}{% endfor %}"
            "{{ contact.attributes['plan'] }}{{ contact.tags.size }}{{ contact.tags[0] }}"
        )
        assert make(text=text).text == text

    def test_an_empty_message_is_refused(self) -> None:
        assert set(faults(subject="", text=" ", html="")) == {
            ("subject", "required"),
            ("text", "required"),
        }

    def test_only_what_differs_is_written_and_told(self) -> None:
        template = make()
        templates.update_template(template, actor=SYSTEM, at=NOW, text="Hello", subject="Hi")
        entry = AuditEntry.objects.get(action="template.changed")
        assert entry.changes == {"subject": ["Hello", "Hi"]}
        templates.update_template(template, actor=SYSTEM, at=NOW, subject="Hi")
        assert AuditEntry.objects.filter(action="template.changed").count() == 1

    def test_what_is_still_sent_is_not_deleted(self) -> None:
        template = make()
        templates.register_uses("test", lambda one: ["Reviewers"] if one == template else [])
        try:
            with pytest.raises(TemplateInUse, match="Reviewers"):
                templates.delete_template(template, actor=SYSTEM, at=NOW)
            templates.register_uses("test", lambda one: [])
            templates.delete_template(template, actor=SYSTEM, at=NOW)
        finally:
            del templates._find_uses["test"]
        assert not Template.objects.exists()

    def test_permissions_are_asked(self) -> None:
        template = make()
        for verb in (templates.update_template, templates.delete_template):
            with pytest.raises(NotAllowed):
                verb(template, actor=CLERK, at=NOW)
        with pytest.raises(NotAllowed):
            templates.create_template(actor=CLERK, at=NOW, name="x")


@pytest.mark.django_db
class TestPush:
    def test_it_has_a_title_words_a_link_and_an_icon(self) -> None:
        template = make(
            channel="push",
            subject="Hi {{ contact.first_name }}",
            text="Your card waits.",
            link="https://shop.example/{{ voucher.code }}",
            icon="https://shop.example/icon.png",
        )
        values = {"contact": {"first_name": "Anna"}, "voucher": {"code": "A B"}}
        with pytest.raises(TemplateFailed, match="no address of the web"):
            templates.render(template, values)
        sent = templates.render(template, {**values, "voucher": {"code": "AB"}})
        assert (sent.subject, sent.link) == ("Hi Anna", "https://shop.example/AB")
        assert (sent.icon, sent.html) == ("https://shop.example/icon.png", "")

    def test_what_it_cannot_show_is_refused(self) -> None:
        assert set(faults(channel="push", subject="", text="", html="<p>x", link="ftp://x")) == {
            ("subject", "required"),
            ("text", "required"),
            ("html", "not_shown"),
            ("link", "invalid"),
        }
        assert ("link", "not_shown") in faults(link="https://x.pl")


@pytest.mark.django_db
class TestLanguages:
    def make(self, **given: Any) -> Template:
        variants = [
            {"language": "pl", "subject": "Dzień dobry", "text": "Dla {{ contact.first_name }}"},
            {"language": "pt_br", "subject": "Bom dia"},
        ]
        return make(language="en", **{"text": "For you", "variants": variants, **given})

    @pytest.mark.parametrize(
        ("wanted", "subject", "language"),
        [
            ("pl", "Dzień dobry", "pl"),
            ("PL", "Dzień dobry", "pl"),
            ("pl-PL", "Dzień dobry", "pl"),
            ("pt-PT", "Bom dia", "pt-BR"),
            ("pt", "Bom dia", "pt-BR"),
            ("en-GB", "Hello", "en"),
            ("de", "Hello", "en"),
            ("", "Hello", "en"),
            ("polski język", "Hello", "en"),
        ],
    )
    def test_everybody_is_written_to_in_his_language(
        self, wanted: str, subject: str, language: str
    ) -> None:
        sent = templates.render(self.make(), {"contact": {"language": wanted}})
        assert (sent.subject, sent.language) == (subject, language)

    def test_what_is_not_translated_is_as_in_the_template(self) -> None:
        template = self.make(text="", html="<p>For you</p>")
        values = {"contact": {"first_name": "Anna"}}
        assert templates.render(template, values, "pt-BR").html == "<p>For you</p>"
        # Text and HTML are one thing: a mail is not half in one language, half in another.
        polish = templates.render(template, values, "pl")
        assert (polish.text, polish.html) == ("Dla Anna", "")

    def test_a_thousand_messages_ask_once(self, django_assert_num_queries: Any) -> None:
        template = self.make()
        with django_assert_num_queries(1):
            for _number in range(10):
                templates.render(template, {"contact": {"language": "pl"}})

    def test_a_change_is_seen_at_once(self) -> None:
        template = self.make()
        assert templates.render(template, {}, "pl").subject == "Dzień dobry"
        changed = templates.update_variant(
            template, language="pl", subject="Cześć", actor=SYSTEM, at=NOW
        )
        assert templates.render(changed, {}, "pl").subject == "Cześć"
        assert templates.render(changed, {"contact": {}}, "pl").text == "Dla "
        changed = templates.delete_variant(changed, language="pl", actor=SYSTEM, at=NOW)
        assert templates.render(changed, {}, "pl").subject == "Hello"
        entry = AuditEntry.objects.filter(action="template.changed").latest("pk")
        assert entry.changes["pl.subject"] == ["Cześć", None]

    def test_faults_name_the_language(self) -> None:
        variants = [
            {"language": "pl", "text": "{{ contact.frist_name }}"},
            {"language": "Klingon!", "text": "x"},
            {"language": "en", "text": "x"},
            {"language": "de"},
            {"language": "fr", "html": "x", "mjml": "<mjml>"},
            {"language": "fr", "text": "x"},
        ]
        assert set(faults(language="en", variants=variants)) == {
            ("variants.pl.text", "unknown_variable"),
            ("variants.Klingon!.language", "invalid"),
            ("variants.en.language", "unavailable"),
            ("variants.de.subject", "required"),
            ("variants.fr.language", "twice"),
        }
        assert ("language", "invalid") in faults(language="Polish please")
        template = self.make()
        with pytest.raises(TemplateInvalid):
            templates.update_variant(template, language="pl", html="{{", actor=SYSTEM, at=NOW)
        with pytest.raises(TemplateUnknown):
            templates.delete_variant(template, language="de", actor=SYSTEM, at=NOW)

    def test_a_preview_is_in_the_language_of_the_contact(self) -> None:
        contact = make_contact(first_name="Anna", language="pl")
        template = self.make()
        seen = templates.preview(template, actor=SYSTEM, contact_id=contact.pk)
        assert seen.rendered.text == seen.snippet == "Dla Anna"
        seen = templates.preview(template, actor=SYSTEM, contact_id=contact.pk, language="en")
        assert seen.rendered.subject == "Hello"


@pytest.mark.django_db
class TestPreview:
    def test_all_gaps_that_stay_empty_are_named(self) -> None:
        contact = make_contact(first_name="", city="")
        text = "{{ contact.first_name }} {{ contact.last_name | default: 'x' }} {{ contact.city }}"
        seen = templates.preview(make(text=text), actor=SYSTEM, contact_id=contact.pk)
        assert [one.message.split("”")[0] for one in seen.problems] == [
            "“contact.first_name",
            "“contact.city",
        ]

    def test_what_mailboxes_would_cut_off_is_told(self) -> None:
        seen = templates.preview(make(html="<p>" + "x" * 110_000), actor=SYSTEM)
        assert [one.code for one in seen.problems] == ["too_big"]

    def test_it_shows_what_the_contact_would_get(self) -> None:
        make_tag("vip")
        make_attribute("plan")
        contact = make_contact(first_name="Anna", attributes={"plan": "gold"}, tags=["vip"])
        text = (
            "{{ contact.first_name }} {{ contact.attributes.plan }} {{ contact.tags | join: '' }}"
        )
        seen = templates.preview(make(text=text), actor=SYSTEM, contact_id=contact.pk)
        assert (seen.rendered.text, seen.problems) == ("Anna gold vip", ())

    def test_it_names_a_gap_that_stays_empty(self) -> None:
        contact = make_contact(first_name="")
        template = make(text="Dear {{ contact.first_name }},")
        (problem,) = templates.preview(template, actor=SYSTEM, contact_id=contact.pk).problems
        assert (problem.path, problem.code) == ("text", "empty_gap")
        assert "contact.first_name" in problem.message
        kind = make(text="Dear {{ contact.first_name | default: 'friend' }},")
        seen = templates.preview(kind, actor=SYSTEM, contact_id=contact.pk)
        assert (seen.rendered.text, seen.problems) == ("Dear friend,", ())

    def test_every_gap_has_an_example(self) -> None:
        text = "{{ contact.first_name }} {{ contact.birth_date | date: '%d.%m.%Y' }}"
        assert templates.preview(make(text=text), actor=SYSTEM).rendered.text == "Anna 17.05.1990"

    def test_contacts_are_for_who_may_see_them(self) -> None:
        reader = Actor(
            AuditEntry.ActorKind.USER,
            1,
            "Reader",
            permissions=frozenset({"integrations.view_template"}),
        )
        contact, template = make_contact(first_name="Anna"), make()
        assert templates.preview(template, actor=reader).rendered.text == "Hello"
        with pytest.raises(NotAllowed):
            templates.preview(template, actor=reader, contact_id=contact.pk)

    def test_erased_contacts_have_no_values(self) -> None:
        contact = make_contact(first_name="Anna")
        type(contact).objects.filter(pk=contact.pk).update(
            erased_at=NOW, first_name="", attributes={}
        )
        assert contact_values([contact.pk]) == {}


class TestFilling:
    @pytest.mark.parametrize(
        "text",
        [
            "{{ x }}",
            "{{ x | append: '' }}",
            "{{ x | escape_once }}",
            "{{ x | base64_encode | base64_decode }}",
            "{{ x | url_encode | url_decode }}",
            "{{ x | split: '' | join: '' }}",
            "{{ 'now' | date: x }}",
            "{{ x | strip_newlines }}",
            "{{ x | newline_to_br }}",
            "{% capture y %}{{ x }}{% endcapture %}{{ y }}",
            "{% cycle x %}",
            "{% echo x %}",
            "{{ x | default: '' | truncate: 100 }}",
            "{{ 'a' | replace: 'a', x }}",
            "{{ x | slice: 0, 100 }}",
        ],
    )
    def test_values_never_become_html(self, text: str) -> None:
        assert "<script>" not in fill(text, {"x": "<script>alert(1)</script>"}, is_html=True)

    @settings(max_examples=60, deadline=None)
    @given(value=st.text(), text=st.sampled_from(["{{ x }}", "{{ x | upcase }}"]))
    def test_no_value_opens_a_tag(self, value: str, text: str) -> None:
        assert "<" not in fill(text, {"x": value}, is_html=True)

    @settings(max_examples=60, deadline=None)
    @given(value=st.text())
    def test_a_subject_is_one_line(self, value: str) -> None:
        subject = fill_message({**PARTS, "subject": "{{ x }}"}, {"x": value}).subject
        assert len(subject.splitlines()) <= 1

    @pytest.mark.parametrize(
        "text",
        [
            "{% for i in (1..100000) %}x{% endfor %}",
            "{% assign a = 'xxxxxxxxxx' %}{% for i in (1..60) %}{% assign a = a | append: a %}"
            "{% endfor %}{{ a }}",
            "{{ 'aaaaaaaaaa'" + " | replace: 'a', 'aaaaaaaaaa'" * 12 + " }}",
            "{% assign a = 'aaaaaaaaa' | replace: 'a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}"
            "{{ a" + " | split: '' | join: 'aaaaaaaaaaaaaaaaaaaaaaaaaa'" * 8 + " }}",
            "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
            "{% assign a = 9 %}{% for i in (1..99) %}{% assign a = a | times: a %}{% endfor %}"
            "{{ a }}",
        ],
    )
    def test_no_text_takes_more_than_its_share(self, text: str) -> None:
        with pytest.raises(TemplateFailed):
            fill(text, {})

    @pytest.mark.parametrize(
        "text", ["{{ 1 | divided_by: 0 }}", "{{ x | date: '%Y' }}", "{{ x | slice: 'a' }}"]
    )
    def test_what_a_filter_cannot_use_is_said(self, text: str) -> None:
        with pytest.raises(TemplateFailed):
            fill(text, {"x": {"a": 1}})

    def test_nothing_of_python_is_reached(self) -> None:
        for text in ("{{ x.__class__ }}", "{{ x.upper }}", "{{ x['__init__'] }}"):
            assert fill(text, {"x": "text"}) == ""

    def test_without_a_text_the_words_of_the_html_are_it(self) -> None:
        html = "<style>p {}</style><p>Your <b>card</b></p><a href='https://x.y/z'>Wallet</a>"
        sent = fill_message({"subject": "s", "text": "", "html": html}, {})
        assert sent.text == words_of(html) == "Your card\n\nWallet (https://x.y/z)"
