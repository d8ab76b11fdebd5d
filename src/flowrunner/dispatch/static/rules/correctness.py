"""Code that does not do what it says, whatever one's taste."""

from __future__ import annotations

from flowrunner.dispatch.static.rules.rule import rules_of
from flowrunner.wire.findings import Severity

CERTAIN = (
    *rules_of(
        "correctness",
        Severity.MAJOR,
        {
            "syntax-error": "Python cannot read this file, so nothing in it runs.",
            "F404 F622 F701 F702 F704 F706 F707 PLE0115 PLE0116 PLE0117 PLE0118 PLE1132 PLE1142"
            " PLE1700": "Python refuses this file when it is loaded.",
            "F501 F502 F503 F505 F506 F508 F509 F521 F524 F525": "Formatting raises an error.",
            "F821": "The name is defined nowhere: using it raises NameError.",
            "F823": "The name is read before it is assigned: UnboundLocalError.",
            "F633": "This compares the print function with a file instead of printing to it.",
            "F634": "A tuple that is not empty is always true.",
            "F901": "NotImplemented is a value, not an exception: raising it is a TypeError.",
            "B016": "Only exceptions can be raised: this is a TypeError.",
            "B030": "Only exception classes can be caught: this raises when an error gets here.",
            "PLE0100": "An __init__ that yields never runs.",
            "PLE0237": "The attribute is not among the slots: assigning it raises AttributeError.",
            "PLE0241": "The same base twice is a TypeError.",
            "PLW0177": "NaN equals nothing, not even itself: the answer is always the same.",
            "PLW0245": "This is an attribute of the class `super`, not of the parent.",
            "PLW0711": "`A or B` is just A: the other exceptions are not caught.",
            "PLW1501": "open() refuses this mode.",
            "RUF016": "The index has the wrong type: this raises TypeError.",
        },
    ),
    *rules_of(
        "correctness",
        Severity.MAJOR,
        {
            "F631": "A tuple is always true, so this assertion never fails.",
            "PLW0133": "The exception is built and thrown away: a `raise` is missing.",
        },
        in_tests=True,
    ),
)

LIKELY = (
    *rules_of(
        "correctness",
        Severity.MINOR,
        {
            "F402": "The loop replaces the imported module under the same name.",
            "F507": "The number of placeholders and of values differ: TypeError.",
            "F522 F523": "An argument has no place in the text and is dropped.",
            "F601 F602": "The same key twice: the first value is lost.",
            "F632": "Identity of literals is an accident of the interpreter; equality is meant.",
            "F822": "The module promises a name that it does not have.",
            "B002": "Python has no increment: `++n` is n.",
            "B003": "Assigning os.environ does not change the environment of the process.",
            "B005": "strip() takes a set of characters, not a word: more is cut off than meant.",
            "B006": "The default is made once and shared by all calls: one call changes the next.",
            "B021": "An f-string is no docstring: help() shows nothing.",
            "B031": "The group is used up after the first pass; the second sees nothing.",
            "B032": "A colon where an equals sign is meant: nothing is assigned.",
            "B034": "The third positional argument is the count, not the flags.",
            "B035": "The same key in every turn: only the last value stays.",
            "PLE0101": "A value returned from __init__ is a TypeError.",
            "PLE0302": "Python calls this method with another number of arguments.",
            "PLE0303 PLE0304 PLE0305 PLE0307 PLE0308 PLE0309": "Python refuses the type that this"
            " method returns.",
            "PLE0604 PLE0605": "`import *` fails on this __all__.",
            "PLE0643": "The index lies outside what was just built.",
            "PLE1300 PLE1307": "Formatting raises at run time.",
            "PLE1310": "strip() takes a set of characters; a repeated one does nothing.",
            "PLE1507": "Environment variables have text for a name: this raises TypeError.",
            "PLE1519 PLE1520": "On a method, dispatch looks at `self` instead of the argument.",
            "PLE2510 PLE2512 PLE2513 PLE2514 PLE2515": "An invisible character is in the source.",
            "PLW0128": "The same name twice in one assignment: the first value is lost.",
            "PLW1507": "A shallow copy of os.environ still changes the real environment.",
            "PLR1708": "StopIteration within a generator becomes RuntimeError.",
            "PLC0132": "The type variable has another name than it is told.",
            "RUF008": "The default is shared by all instances.",
            "RUF018": "With -O the assertion goes, and the assignment with it.",
            "RUF024": "All keys share one mutable value.",
            "RUF026": "default_factory by keyword is an ordinary entry: missing keys still raise.",
            "RUF032": "A float is already rounded when Decimal gets it.",
            "RUF033": "A default in __post_init__ becomes the field's own and is then ignored.",
            "RUF034": "Both branches give the same.",
            "RUF049": "A dataclass that is an enum gives its members equal values.",
            "RUF060": "Nothing is in an empty collection: the test is constant.",
            "RUF064": "File rights are octal; this decimal number means other rights.",
            "PIE794": "The field is defined twice: the first definition is lost.",
            "SIM220 SIM221 SIM222 SIM223": "The condition is constant.",
            "YTT101 YTT102 YTT103 YTT202 YTT203 YTT204 YTT301 YTT302 YTT303": "The comparison goes"
            " wrong from Python 3.10 or 4 on.",
            "INT001 INT002 INT003": "The text is filled in before it is looked up, so that no"
            " translation is found.",
        },
    ),
    *rules_of(
        "correctness",
        Severity.MINOR,
        {
            "F811": "The second definition replaces the first, which nobody ever uses.",
            "B015": "The comparison's result is thrown away; an assert may be missing.",
            "PLW0129": "A text that is not empty is always true: this assertion never fails.",
            "RUF030": "print() gives None, so the message says nothing.",
            "RUF040": "The second operand is the message: the comparison is not made.",
        },
        in_tests=True,
    ),
    *rules_of(
        "correctness",
        Severity.NOTE,
        {
            "F504": "A named argument has no place in the text.",
            "F541": "No placeholder: either the `f` is too much, or a value is missing.",
            "F841": "The value is computed and never looked at.",
            "B004": "An object can have __call__ without being callable.",
            "B018": "The expression has no effect.",
            "B019": "The cache keeps every instance alive for ever.",
            "B020": "The loop overwrites what it iterates over.",
            "B023": "The function sees the loop variable's last value, if it is called later.",
            "E721": "Types compared by equality leave out subclasses.",
            "PLE0704": "Called outside a handler, this has nothing to raise again.",
            "PLW1508": "Set or not set, the value has another type: `bool('0')` is true.",
            "RUF068": "The name is listed twice.",
            "SIM115": "If something raises in between, the file stays open.",
        },
    ),
)

RULES = CERTAIN + LIKELY
