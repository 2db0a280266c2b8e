import pytest

from orchestrator.errors import UserError
from orchestrator.yaml_file import MAX_BYTES, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("-0", 0),
        ("12", 12),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'08'", "08"),
        ('"1e-3"', "1e-3"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1-2-5", "1-2-5"),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    read = parse_yaml(f"a: {text}", "f")["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- 1\n", "line 1: expected a mapping"),
        ("a: 1\nb: [1, 2\n", "broken YAML"),
        ("a: 1\n  b: 2\n", "line 2: broken YAML"),
        ("a: 1\n\tb: 2\n", "line 2: broken YAML"),
        ("a: 1\na: 2\n", "line 2: key 'a' stands twice"),
        ("a: &x 1\n", "line 1: anchors are refused, given '&x'"),
        ("a: 1\nb: *x\n", "line 2: aliases are refused, given '*x'"),
        ("a: !!python/object:os.system x\n", "line 1: tags are refused"),
        ("a: !!int 3\n", "line 1: tags are refused"),
        ("\na: 08\n", "line 2: 08 can be read in two ways"),
        ("a: 0x1F\n", "can be read in two ways"),
        ("a: .nan\n", "given .nan, expected a finite number"),
        ("a: -.inf\n", "given -.inf"),
        ("a: 1e999\n", "larger than any double"),
        ("1: 2\n", "a key must be a name, given '1'"),
        ("? [a]\n: b\n", "a key must be a name, given a list"),
        ("a: 1\n---\nb: 1\n", "another document"),
        ("a: \x00\n", "broken YAML"),
        ("a: " + "[" * 3000, "nested deeper"),
        ("a: " + "9" * 3000, "a number of 3000 characters"),
        ("a: " + "x" * MAX_BYTES, "larger than 1 MiB"),
    ],
)
def test_refusals_are_one_line_and_say_where(text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "sweep.yaml")
    message = str(caught.value)
    assert says in message
    assert message.startswith("sweep.yaml")
    assert "\n" not in message
