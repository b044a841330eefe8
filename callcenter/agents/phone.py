"""An agent's phone: what it is, where it registers, and how a softphone is told so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal
from xml.etree import ElementTree

from callcenter.platform.errors import Conflict

#: The digest realm of every agent's endpoint (RFC 2617); `asterisk-conf/` names the same.
REALM: Final = "callcenter"

#: How often a phone says that it is still there, seconds; Asterisk takes 30 to 3600.
REGISTER_SECONDS: Final = 120

_LPCONFIG: Final = "http://www.linphone.org/xsds/lpconfig.xsd"


class PhoneKind(StrEnum):
    """What an agent speaks through."""

    SIP = "sip"  #: any SIP phone, over UDP, TCP or TLS
    WEBRTC = "webrtc"  #: a browser, over WebSocket; its media is always encrypted (DTLS)


#: What each kind may speak, best first. Browsers have no G.722 and no need of A-law.
CODECS: Final = {
    PhoneKind.SIP: ("opus", "g722", "alaw", "ulaw"),
    PhoneKind.WEBRTC: ("opus", "ulaw"),
}

Transport = Literal["udp", "tcp", "tls", "wss", "ws"]
#: `none`: speech is not encrypted; `optional`: it is, where the phone offers it (SDES, RFC 4568);
#: `required`: always (DTLS-SRTP, RFC 5764).
Srtp = Literal["none", "optional", "required"]


class NoBrowserPhones(Conflict):
    """Browsers cannot register here: CALLCENTER_ASTERISK_HTTPS_BIND is not set."""

    slug = "no-browser-phones"


class NotForThisPhone(Conflict):
    """Linphone is a SIP phone, and this agent's phone is a browser."""

    slug = "not-for-this-phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneServer:
    """Where agents' phones register: `host`, and the port of each way; None: that way is shut.

    `wss_port` is of SIP over secure WebSocket, `ws_port` of the same in the clear, which a browser
    takes from its own machine only.
    """

    host: str
    port: int
    tls_port: int | None = None
    wss_port: int | None = None
    ws_port: int | None = None

    @property
    def takes_browsers(self) -> bool:
        return self.wss_port is not None or self.ws_port is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """What a softphone is set up with; the secret is told once, when it is made."""

    username: str
    server: PhoneServer
    name: str = ""
    kind: PhoneKind = PhoneKind.SIP
    realm: str = REALM

    def __post_init__(self) -> None:
        """Raises `NoBrowserPhones`."""
        if not self.ports:
            raise NoBrowserPhones

    @property
    def ports(self) -> dict[Transport, int]:
        """Port by transport: the ways that are open for this kind of phone."""
        server = self.server
        wanted: dict[Transport, int | None]
        if self.kind is PhoneKind.WEBRTC:
            wanted = {"wss": server.wss_port, "ws": server.ws_port}
        else:
            wanted = {"udp": server.port, "tcp": server.port, "tls": server.tls_port}
        return {way: port for way, port in wanted.items() if port is not None}

    @property
    def transport(self) -> Transport:
        """The one to be taken: what cannot be listened to, where there is one."""
        ports = self.ports
        safe: tuple[Transport, ...] = ("tls", "wss")
        return next((way for way in safe if way in ports), next(iter(ports)))

    @property
    def websocket_url(self) -> str | None:
        """Where a browser connects; None for a SIP phone."""
        if self.kind is not PhoneKind.WEBRTC:
            return None
        return f"{self.transport}://{self._host}:{self.ports[self.transport]}/ws"

    @property
    def codecs(self) -> tuple[str, ...]:
        return CODECS[self.kind]

    @property
    def srtp(self) -> Srtp:
        if self.kind is PhoneKind.WEBRTC:
            return "required"
        # The key of SDES stands in the signalling: without TLS there would be nothing to hide.
        return "optional" if "tls" in self.ports else "none"

    @property
    def address(self) -> str:
        """host:port of `transport`."""
        return f"{self._host}:{self.ports[self.transport]}"

    @property
    def _host(self) -> str:
        host = self.server.host
        return f"[{host}]" if ":" in host else host


def linphone_xml(phone: Phone, digest: str | None = None) -> bytes:
    """A Linphone provisioning file (lpconfig.xsd). Raises `NotForThisPhone`.

    `digest` is HA1 of the phone's secret: it opens the account as the secret itself does. Without
    it Linphone asks for the secret when it first registers.
    """
    if phone.kind is not PhoneKind.SIP:
        raise NotForThisPhone
    way = phone.transport
    encrypted = way == "tls"
    identity = f"sip:{phone.username}@{phone._host}"
    sections: dict[str, dict[str, str]] = {
        "sip": {
            "default_proxy": "0",
            "media_encryption": "srtp" if encrypted else "none",
            # Offered, not demanded: the other side of a call may be a plain phone.
            "media_encryption_mandatory": "0",
            "verify_server_certs": "1",
            "verify_server_cn": "1",
        },
        "proxy_0": {
            "reg_proxy": f"<sip:{phone._host}:{phone.ports[way]};transport={way}>",
            "reg_identity": f'"{_quoted(phone.name)}" <{identity}>' if phone.name else identity,
            "reg_expires": str(REGISTER_SECONDS),
            "reg_sendregister": "1",
            "publish": "0",
            "realm": phone.realm,
        },
        "auth_info_0": {
            "username": phone.username,
            "userid": phone.username,
            "realm": phone.realm,
            "domain": phone.server.host,
            "algorithm": "MD5",
            **({} if digest is None else {"ha1": digest}),
        },
    }
    # Plain attributes: ElementTree would write a prefix, which Linphone's reader does not expect.
    root = ElementTree.Element("config", {"xmlns": _LPCONFIG})
    for name, entries in sections.items():
        section = ElementTree.SubElement(root, "section", {"name": name})
        for key, value in entries.items():
            entry = ElementTree.SubElement(section, "entry", {"name": key, "overwrite": "true"})
            entry.text = value
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _quoted(name: str) -> str:
    """A display name for a quoted string of SIP (RFC 3261, 25.1)."""
    return name.replace("\\", "\\\\").replace('"', '\\"')
