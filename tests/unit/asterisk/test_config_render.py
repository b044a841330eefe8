"""Settings and rows → conf files: what is written, and what is refused."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.agents.phone import PhoneKind
from callcenter.asterisk.config.model import (
    Address,
    AgentConfig,
    HttpsConfig,
    LineConfig,
    Paths,
    QueueConfig,
    SwitchConfig,
    TlsConfig,
    TrunkConfig,
)
from callcenter.asterisk.config.render import render, run_dir
from callcenter.asterisk.config.rules import BadConfiguration, clean_name
from callcenter.asterisk.config.secrets import agent_digest, new_password, secret
from callcenter.asterisk.config.write import (
    apply,
    conf_tree,
    modules_of,
    restore,
    static_files,
    tree_key,
    write_atomically,
)

pytestmark = pytest.mark.unit

DIGEST = agent_digest("1001", "open sesame")


def switch(home: Path = Path("/srv/hotline"), **changes: object) -> SwitchConfig:
    base = SwitchConfig(
        node="node1",
        paths=Paths(home, Path("/m"), Path("/d"), Path("/p")),
        ami_secret="s" * 32,
        lines=(LineConfig("12345"), LineConfig("12346", mode="direct", queue="english")),
        agents=(AgentConfig("1001", "王芳", DIGEST), AgentConfig("1002", "李雷", "a" * 32)),
        queues=(QueueConfig("general", ("1001", "1002")), QueueConfig("english", ("1002",))),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def sections(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """What Asterisk would read: comments cut, sections with their settings in order."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\);.*", "", raw).strip()
        if match := re.fullmatch(r"\[([^\]]+)\](\(.*\))?", line):
            found.append((match[1], []))
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, raw
            (found[-1][1] if found else []).append((key.strip(), value.strip()))
    return found


def settings(text: str, name: str, kind: str | None = None) -> dict[str, str]:
    for section, pairs in sections(text):
        if section == name and (kind is None or ("type", kind) in pairs):
            return dict(pairs)
    raise AssertionError(f"[{name}] is missing")


class TestRules:
    @pytest.mark.parametrize(
        "hostile",
        ["a\nb", "a;b", "a]b", "[a", "a,b", "${SHELL(id)}", "a b", "a&b", "", "../etc", "a\0"],
    )
    def test_names_that_would_be_syntax_are_refused(self, hostile: str) -> None:
        bad = [
            switch(node=hostile),
            switch(lines=(LineConfig(hostile),)),
            switch(lines=(LineConfig("12345", language=hostile),)),
            switch(agents=(AgentConfig(hostile, "n", DIGEST),)),
            switch(queues=(QueueConfig("general"), QueueConfig(hostile))),
            switch(trunk=TrunkConfig(addresses=(hostile,))),
            switch(trunk=TrunkConfig(host=hostile)),
            switch(trunk=TrunkConfig(codecs=(hostile,))),
            switch(agent_networks=(hostile,)),
            switch(ami_secret=hostile),
            switch(sip_bind=Address(hostile, 5060)),
            switch(default_queue=hostile),
            switch(external_address=hostile),
        ]
        for config in bad:
            with pytest.raises(BadConfiguration):
                render(config)

    @pytest.mark.parametrize("path", ["/a;b", "/a\nb", "/a,b", "/a${b}", "relative", "/a/../b"])
    def test_paths_that_would_be_syntax_are_refused(self, path: str) -> None:
        with pytest.raises(BadConfiguration, match=r"paths\.home"):
            render(switch(Path(path)))

    def test_a_name_with_a_line_break_is_refused(self) -> None:
        for name in ("a\nb", "a\rb", "a\x1bb", "a\u202eb", "a\u2028b"):
            with pytest.raises(BadConfiguration, match="control characters"):
                clean_name(name)

    def test_a_name_with_syntax_loses_it(self) -> None:
        assert clean_name('王"芳";[x](!)<1>,${SHELL(id)}') == "王 芳 x ! 1 SHELL id"

    def test_hostile_display_name_adds_no_setting(self) -> None:
        config = switch(agents=(AgentConfig("1001", 'x" <9>;\\;context=evil', DIGEST),))
        config = replace(config, queues=(QueueConfig("general", ("1001",)),), lines=())
        text = render(config)["pjsip_agents.conf"]
        templates = ["agent-here", "agent-phone", "agent-browser"]
        assert [name for name, _ in sections(text)] == [*templates, "1001", "1001", "1001"]
        assert settings(text, "1001")["callerid"] == '"x 9 context=evil" <1001>'

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"ami_port": 5060}, "ports"),
            ({"rtp_range": (10000, 10010)}, "rtp_range"),
            ({"default_queue": "nowhere"}, "default_queue"),
            ({"trunk": TrunkConfig(addresses=())}, "trunk.addresses"),
            ({"trunk": TrunkConfig(addresses=("127.0.0.1",))}, "trunk.addresses"),
            ({"trunk": TrunkConfig(transport="tls")}, "trunk.transport"),
            ({"trunk": TrunkConfig(srtp=True)}, "trunk.srtp"),
            ({"trunk": TrunkConfig(register=True)}, "trunk.register"),
            ({"queues": (QueueConfig("general", ("1009",)),), "lines": ()}, "queues.members"),
            ({"lines": (LineConfig("12345"), LineConfig("12345"))}, "lines.number"),
            ({"lines": (LineConfig("12345", queue="nowhere"),)}, "lines.queue"),
            ({"max_call_seconds": 5}, "max_call_seconds"),
        ],
    )
    def test_contradictions_are_refused_by_field(
        self, changes: dict[str, object], field: str
    ) -> None:
        with pytest.raises(BadConfiguration) as refusal:
            render(switch(**changes))
        assert refusal.value.field == field

    def test_a_refusal_never_shows_a_secret(self) -> None:
        with pytest.raises(BadConfiguration) as refusal:
            render(switch(ami_secret="hunter2\n" + "x" * 30))
        assert "hunter2" not in str(refusal.value)
        assert "hunter2" not in repr(switch(ami_secret="hunter2" + "x" * 30))


class TestSip:
    def test_everything_listens_on_loopback_by_default(self) -> None:
        for name, text in render(switch()).items():
            for address in re.findall(r"(?m)^(?:bind|bindaddr|media_address) = (\S+)", text):
                assert address.startswith("127.0.0.1"), (name, address)

    def test_the_trunk_is_known_by_address(self) -> None:
        text = render(switch(trunk=TrunkConfig(("192.0.2.0/28", "sip.example"))))[
            "pjsip_trunk.conf"
        ]
        identify = [pairs for _, pairs in sections(text) if ("type", "identify") in pairs]
        assert identify[0][2:] == [("match", "192.0.2.0/28"), ("match", "sip.example")]
        assert "registration" not in text
        assert "qualify" not in text

    def test_nobody_is_the_trunk_by_calling_himself_trunk(self) -> None:
        """Tried on 22.10: without identify_by, From: <sip:trunk@…> enters from-trunk unasked."""
        text = static_files()["pjsip.conf"]
        trunk, agent = (text.split(f"[{name}](!,media)")[1] for name in ("trunk", "agent"))
        assert "identify_by = ip\n" in trunk.split("[agent]")[0]
        assert "identify_by = username\n" in agent.split("[agent-aor]")[0]
        assert "endpoint_identifier_order = ip,username\n" in text

    def test_the_trunk_registers_with_digest_over_tls_and_srtp(self) -> None:
        trunk = TrunkConfig(
            addresses=("192.0.2.5",),
            host="sip.example",
            port=5061,
            username="hotline",
            password="p;ss#word",
            register=True,
            transport="tls",
            srtp=True,
            dtmf_mode="rfc4733",
            codecs=("alaw",),
        )
        tls = TlsConfig(
            Path("/etc/tls/cert.pem"), Path("/etc/tls/key.pem"), ca_file=Path("/ca.pem")
        )
        files = render(switch(trunk=trunk, tls=tls))
        text = files["pjsip_trunk.conf"]
        endpoint = settings(text, "trunk")
        assert endpoint["media_encryption"] == "sdes"
        assert endpoint["outbound_auth"] == "trunk"
        assert endpoint["allow"] == "alaw"
        registration = settings(text, "trunk", "registration")
        assert registration["server_uri"] == r"sip:sip.example:5061\;transport=tls"
        assert registration["contact_user"] == "12345"
        assert settings(text, "trunk", "auth")["password"] == r"p\;ss#word"
        assert settings(text, "trunk", "aor")["qualify_frequency"] == "60"
        transport = settings(files["pjsip_transports.conf"], "transport-tls")
        assert transport["bind"] == "127.0.0.1:5061"
        assert transport["verify_server"] == "yes"

    def test_the_registration_never_ends_for_good(self) -> None:
        """By default any 4xx but a few (404 of a provider under repair) ends it until a reload."""
        trunk = TrunkConfig(host="sip.example", username="u", password="p", register=True)
        text = render(switch(trunk=trunk))["pjsip_trunk.conf"]
        registration = settings(text, "trunk", "registration")
        assert registration["fatal_retry_interval"] == "300"
        assert registration["auth_rejection_permanent"] == "no"
        assert int(registration["max_retries"]) > 10**6
        assert registration["max_random_initial_delay"] == "1"
        assert int(registration["expiration"]) <= 300

    def test_what_the_provider_dials_reaches_the_first_line(self) -> None:
        trunk = TrunkConfig(
            host="sip.example",
            username="u",
            password="p",
            register=True,
            contact_user="s0-hotline",
        )
        files = render(switch(trunk=trunk))
        registration = settings(files["pjsip_trunk.conf"], "trunk", "registration")
        assert registration["contact_user"] == "s0-hotline"
        assert "exten = s0-hotline,1,Goto(from-trunk,12345,1)\n" in files["extensions_lines.conf"]

    def test_a_line_as_contact_user_is_no_second_door(self) -> None:
        files = render(switch(trunk=TrunkConfig(contact_user="12346")))
        assert files["extensions_lines.conf"].count("exten = 12346,1,") == 1

    @pytest.mark.parametrize("contact", ["s", "_X.", "a,b", "a;b", "${X}", "a\nb", "-1", ""])
    def test_a_contact_user_that_is_no_plain_extension_is_refused(self, contact: str) -> None:
        with pytest.raises(BadConfiguration, match=r"trunk\.contact_user"):
            render(switch(trunk=TrunkConfig(contact_user=contact)))

    def test_keys_in_band_leave_the_codecs_asterisk_finds_tones_in(self) -> None:
        """Tried on 22.10: `Can only do DSP on signed-linear, alaw or ulaw frames`."""
        text = render(switch(trunk=TrunkConfig(dtmf_mode="inband")))["pjsip_trunk.conf"]
        assert settings(text, "trunk")["allow"] == "alaw,ulaw"
        with pytest.raises(BadConfiguration, match=r"trunk\.codecs"):
            render(switch(trunk=TrunkConfig(dtmf_mode="inband", codecs=("opus",))))

    def test_a_provider_that_never_answers_options_is_not_asked(self) -> None:
        trunk = TrunkConfig(host="sip.example", options=False)
        text = render(switch(trunk=trunk))["pjsip_trunk.conf"]
        assert settings(text, "trunk", "aor")["qualify_frequency"] == "0"

    def test_tls_listens_where_it_is_told(self) -> None:
        tls = TlsConfig(Path("/c.pem"), Path("/k.pem"), port=5071, host="192.0.2.1")
        text = render(switch(tls=tls))["pjsip_transports.conf"]
        assert settings(text, "transport-tls")["bind"] == "192.0.2.1:5071"
        assert settings(text, "transport-udp")["bind"] == "127.0.0.1:5060"

    def test_agents_have_a_digest_and_no_password(self) -> None:
        text = render(switch())["pjsip_agents.conf"]
        auth = settings(text, "1001", "auth")
        assert auth == {
            "type": "auth",
            "auth_type": "md5",
            "username": "1001",
            "realm": "callcenter",
            "md5_cred": DIGEST,
        }
        assert "password =" not in text

    def test_agents_come_from_their_networks_only(self) -> None:
        text = render(switch(agent_networks=("10.1.0.0/16",)))["pjsip_agents.conf"]
        pairs = next(pairs for name, pairs in sections(text) if name == "agent-here")
        acl = [pair for pair in pairs if pair[0] in {"deny", "permit"}]
        assert acl == [("deny", "0.0.0.0/0"), ("deny", "::/0"), ("permit", "10.1.0.0/16")]
        assert settings(text, "agent-phone")["contact_permit"] == "10.1.0.0/16"
        assert "contact_deny" not in settings(text, "agent-browser")

    def test_a_browser_speaks_webrtc_and_a_phone_does_not(self) -> None:
        agents = (
            AgentConfig("1001", "王芳", DIGEST, PhoneKind.WEBRTC),
            AgentConfig("1002", "李雷", "a" * 32),
        )
        text = render(switch(agents=agents))["pjsip_agents.conf"]
        assert "[agent-browser](!,agent-here)\n" in text
        assert "[1001](agent-browser)\n" in text
        assert "[1002](agent-phone)\n" in text
        browser = settings(text, "agent-browser")
        assert browser["webrtc"] == browser["dtls_auto_generate_cert"] == "yes"
        assert browser["allow"] == "opus,ulaw"
        assert "webrtc" not in settings(text, "agent-phone")

    def test_keys_of_speech_are_offered_only_where_signalling_can_be_hidden(self) -> None:
        assert "media_encryption" not in render(switch())["pjsip_agents.conf"]
        tls = TlsConfig(Path("/c.pem"), Path("/k.pem"))
        phone = settings(render(switch(tls=tls))["pjsip_agents.conf"], "agent-phone")
        assert phone["media_encryption"] == "sdes"
        assert phone["media_encryption_optimistic"] == "yes"

    def test_digest_is_ha1(self) -> None:
        # RFC 2617, 3.5 has the arithmetic; the realm is ours.
        assert agent_digest("1001", "pw1001") == "895c1188e291157659309999603a6f27"


class TestQueuesAndDialplan:
    def test_members_come_over_ami_and_from_no_file(self) -> None:
        text = render(switch())["queues_members.conf"]
        general = dict(next(pairs for name, pairs in sections(text) if name == "q_general"))
        assert general["timeout"] == "15"
        assert "member" not in general
        assert settings(static_files()["queues.conf"], "general")["persistentmembers"] == "yes"

    def test_a_phone_can_log_in_with_everything_of_ours_dead(self) -> None:
        files = render(replace(switch(), pause_codes=(("1", "rest"),)))
        assert (
            settings(files["extensions_globals.conf"], "globals")["CC_QUEUES_1001"] == "q_general"
        )
        assert (
            "exten = *471,1,Set(CC_PAUSE=rest)\n same = n,Goto(cc-agent-code,paused,1)\n"
            in files["extensions_phones.conf"]
        )

    def test_autofill_is_on(self) -> None:
        assert settings(static_files()["queues.conf"], "general")["autofill"] == "yes"

    def test_lines_are_literals(self) -> None:
        text = render(switch())["extensions_lines.conf"]
        assert "exten = 12345,1,Set(__CC_LINE=12345)" in text
        assert "${" not in text

    def test_a_fax_line_comes_to_the_door_as_a_fax_line(self) -> None:
        fax = LineConfig("12349", mode="fax")
        text = render(replace(switch(), lines=(fax, *switch().lines)))["extensions_lines.conf"]
        door = text.split("exten = 12349,1,")[1].split("exten = ")[0]
        assert "Set(CC_LINE_MODE=fax)" in door
        # Answered and given its identity there like every call, then on to cc-fax-in.
        assert door.rstrip().endswith("same = n,Goto(cc-inbound,s,1)")

    def test_where_agi_answers_is_a_global(self) -> None:
        values = settings(render(switch())["extensions_globals.conf"], "globals")
        assert values["CC_AGI_URL"] == "agi://127.0.0.1:4573"

    def test_http_is_off_without_a_port(self) -> None:
        assert "enabled = no" in render(switch())["http_listen.conf"]
        files = render(switch(http_port=8088))
        assert "bindport = 8088" in files["http_listen.conf"]
        assert settings(files["pjsip_transports.conf"], "transport-ws")["protocol"] == "ws"

    def test_browsers_come_over_tls(self) -> None:
        bind = Address("192.0.2.10", 8089)
        files = render(switch(https=HttpsConfig(bind, Path("/c.pem"), Path("/k.pem"))))
        listen = files["http_listen.conf"]
        assert "enabled = no\ntlsenable = yes\ntlsbindaddr = 192.0.2.10:8089\n" in listen
        assert "tlscertfile = /c.pem\ntlsprivatekey = /k.pem\n" in listen
        assert settings(files["pjsip_transports.conf"], "transport-wss")["protocol"] == "wss"

    def test_a_path_of_the_certificate_that_would_be_syntax_is_refused(self) -> None:
        https = HttpsConfig(Address("192.0.2.10", 8089), Path("/c\nenabled = yes"), Path("/k.pem"))
        with pytest.raises(BadConfiguration, match=r"https\.certificate"):
            render(switch(https=https))

    def test_http_listens_where_it_was_told_to_and_not_where_sip_does(self) -> None:
        public = Address("192.0.2.10", 5060)
        there = render(switch(sip_bind=public, http_port=8088))["http_listen.conf"]
        assert "bindaddr = 127.0.0.1" in there
        there = render(switch(http_port=8088, http_host="192.0.2.11"))["http_listen.conf"]
        assert "bindaddr = 192.0.2.11" in there


class TestFiles:
    def test_render_is_pure(self) -> None:
        assert render(switch()) == render(switch())

    def test_every_file_parses_and_every_include_exists(self) -> None:
        tree = conf_tree(switch())
        for name, text in tree.items():
            if name.startswith("extensions") and name != "extensions_globals.conf":
                continue
            sections(text)
            for included in re.findall(r'^#include "(.+)"', text, re.MULTILINE):
                assert included in tree, (name, included)

    def test_no_secret_stands_in_a_static_file(self) -> None:
        for name, text in static_files().items():
            assert not re.search(
                r"^\s*(secret|password|md5_cred|password_digest)\s*=", text, re.M
            ), name
            assert not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b", text), f"{name} names an address"

    def test_modules_load_by_name_only(self) -> None:
        text = static_files()["modules.conf"]
        assert settings(text, "modules")["autoload"] == "no"
        for never in ("app_system", "func_shell", "identifier_anonymous", "chan_iax2"):
            assert not re.search(rf"^load.*{never}", text, re.M)

    def test_run_dir_is_short_enough_for_a_socket(self) -> None:
        assert run_dir(switch()) == Path("/srv/hotline/asterisk/run")
        deep = switch(Path("/" + "x" * 120))
        assert len(str(run_dir(deep)) + "/asterisk.ctl") < 108
        assert run_dir(deep) != run_dir(switch(Path("/" + "y" * 120)))

    def test_the_tree_is_replaced_at_once_and_private(self, tmp_path: Path) -> None:
        config = switch(tmp_path / "home")
        assert apply(config) is True
        assert apply(config) is False
        first = config.paths.etc.resolve()
        assert apply(replace(config, record_from="answer")) is True
        assert config.paths.etc.resolve() != first
        assert apply(config) is True
        assert config.paths.etc.resolve() == first
        for path in config.paths.etc.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
        assert (config.paths.log / "cel-custom").resolve() == config.paths.journal_dir

    def test_what_did_not_change_is_not_written_again(self, tmp_path: Path) -> None:
        config = switch(tmp_path)
        apply(config)
        before = {path.name: path.stat() for path in config.paths.etc.iterdir()}
        apply(replace(config, agents=(*config.agents, AgentConfig("1003", "x", DIGEST))))
        after = {path.name: path.stat() for path in config.paths.etc.iterdir()}
        new = {name for name in after if after[name].st_ino != before[name].st_ino}
        assert new == {"pjsip_agents.conf", "extensions_globals.conf", "extensions_phones.conf"}

    def test_a_file_changed_by_hand_is_not_taken_over(self, tmp_path: Path) -> None:
        config = switch(tmp_path)
        apply(config)
        (config.paths.etc / "rtp.conf").write_text("[general]\nrtpstart = 1\n")
        apply(replace(config, record_from="answer"))
        assert "strictrtp" in (config.paths.etc / "rtp.conf").read_text()

    def test_a_refused_generation_is_left_for_the_one_before(self, tmp_path: Path) -> None:
        config = switch(tmp_path)
        former = conf_tree(config)
        apply(config)
        here = config.paths.etc.resolve()
        old = (here / "pjsip_agents.conf").stat().st_mtime_ns
        apply(replace(config, agents=(), queues=(QueueConfig("general"),), lines=()))
        assert restore(tree_key(former), config.paths) is True
        assert config.paths.etc.resolve() == here
        # By time and size Asterisk tells that a file is another one.
        assert (here / "pjsip_agents.conf").stat().st_mtime_ns > old
        assert restore("0" * 16, config.paths) is False
        assert config.paths.etc.resolve() == here

    def test_only_who_reads_a_changed_file_is_reloaded(self) -> None:
        modules = ("res_pjsip.so", "app_queue.so", "pbx_config.so")
        before = conf_tree(switch())
        digest = AgentConfig("1001", "王芳", "b" * 32)
        after = conf_tree(switch(agents=(digest, switch().agents[1])))
        assert modules_of(before, after, modules) == ("res_pjsip.so",)
        more = (*switch().agents, AgentConfig("1003", "x", DIGEST))
        after = conf_tree(switch(agents=more))
        assert modules_of(before, after, modules) == ("res_pjsip.so", "pbx_config.so")
        assert modules_of(before, before, modules) == ()
        assert modules_of(before, before | {"codecs.conf": ""}, modules) == modules

    def test_old_generations_go(self, tmp_path: Path) -> None:
        config = switch(tmp_path)
        for seconds in range(100, 106):
            apply(replace(config, max_call_seconds=seconds))
        assert len(list(config.paths.generations.iterdir())) == 3

    def test_a_refused_config_leaves_the_old_one(self, tmp_path: Path) -> None:
        config = switch(tmp_path)
        apply(config)
        before = config.paths.etc.resolve()
        with pytest.raises(BadConfiguration):
            apply(replace(config, node="a\nb"))
        assert config.paths.etc.resolve() == before

    def test_names_of_files_stay_in_the_tree(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match="no name of a conf file"):
            write_atomically({"../x.conf": ""}, switch(tmp_path).paths)

    def test_secrets_are_made_once_and_private(self, tmp_path: Path) -> None:
        folder = tmp_path / "secrets"
        assert secret(folder, "ami") == secret(folder, "ami")
        assert stat.S_IMODE((folder / "ami").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert new_password() != new_password()
