"""What is timed is what the contract says."""

from datetime import UTC, datetime

from segments.synthetic import AS_OF as GENERATED_AS_OF

from . import questions


def test_the_ten_questions_are_the_documents_of_the_contract() -> None:
    asked = {question.name: question.document for question in questions.named_questions()}
    assert asked == questions.contract_documents()


def test_the_mix_has_ten_variants_of_each_form_and_as_many_again_of_the_third() -> None:
    mix = questions.mixed_questions()
    assert len({question.name for question in mix}) == 100
    forms = [question.name.split(".")[0] for question in mix]
    counted = {form: forms.count(form) for form in forms}
    assert counted.pop("Q3") == 20
    assert set(counted.values()) == {10}


def test_questions_are_asked_at_the_instant_at_which_the_workspace_ends() -> None:
    assert questions.AS_OF == GENERATED_AS_OF == datetime(2026, 1, 1, tzinfo=UTC)
