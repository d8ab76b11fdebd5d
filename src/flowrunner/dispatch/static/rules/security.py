"""Holes. Left out on purpose: passwords by name, /tmp, bind-all, random, subprocess by itself."""

from __future__ import annotations

from flowrunner.dispatch.static.rules.rule import rules_of
from flowrunner.wire.findings import Severity

RULES = (
    *rules_of(
        "security",
        Severity.MAJOR,
        {
            "S501": "Certificates are not checked: whoever is on the way reads and changes all.",
            "S502 S503": "An outdated TLS version is accepted, and its known attacks with it.",
            "S506": "This loader builds any Python object, so a crafted document runs code.",
            "S507": "An unknown host key is accepted: the other end may be anybody.",
            "S602 S605": "A shell reads this: a value with `;` or `$()` in it runs as a command.",
        },
    ),
    *rules_of(
        "security",
        Severity.MINOR,
        {
            "S103": "Everybody on the machine can change this file.",
            "S201": "Flask's debugger runs code for whoever reaches the page.",
            "S202": "Member names such as `../x` are written outside the target folder.",
            "S304 S305": "This cipher or mode is broken.",
            "S306": "Between the name and the use somebody else can create that file.",
            "S323": "This context checks no certificates.",
            "S505": "The key is short enough to be broken.",
            "S508 S509": "This SNMP version or setting sends secrets in the clear.",
            "S608": "The statement is put together from text: a value can change what it does.",
            "S609": "A file named like an option is read as one when the shell expands `*`.",
            "S611": "Raw SQL bypasses the quoting of the ORM.",
            "S612": "Whoever reaches this port configures logging, which can run code.",
            "S701": "Values are put into HTML without escaping.",
            "S704": "This text is declared safe HTML without escaping.",
            "RUF071": "Compared letter by letter, `/srv/a` is a prefix of `/srv/ab`.",
        },
    ),
    *rules_of(
        "security",
        Severity.NOTE,
        {
            "S307": "Text that reaches `eval` runs with all rights of this process.",
            "S102": "Code is built at run time: make sure that nobody else writes its text.",
            "S301 S302": "Loading from untrusted bytes runs code: make sure that they are yours.",
            "S312 S321": "The password travels in the clear.",
            "S313 S314 S315 S316 S317 S318 S319": "Untrusted XML can exhaust all memory here.",
            "S324": "This hash is broken for signatures and passwords, if it is used for those.",
        },
    ),
)
