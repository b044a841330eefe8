// A browser phone that registers, answers whatever comes, and tells the test what it hears.
// Its settings come from /settings.json, its reports go to /said; the test serves both.
import JsSIP from "jssip";

const EVERY_MS = 250;

function say(what) {
  return fetch("/said", { method: "POST", body: JSON.stringify(what) });
}

// What came in and went out as speech, from the browser's own statistics (W3C webrtc-stats).
async function speech(connection) {
  const found = { said: "speech" };
  for (const entry of (await connection.getStats()).values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "audio") {
      found.packets_received = entry.packetsReceived;
      found.energy_received = entry.totalAudioEnergy;
    } else if (entry.type === "outbound-rtp" && entry.kind === "audio") {
      found.packets_sent = entry.packetsSent;
    } else if (entry.type === "transport") {
      found.dtls = entry.dtlsState;
      found.srtp = entry.srtpCipher;
    }
  }
  return found;
}

function follow(session) {
  let timer = null;
  session.on("accepted", () => {
    say({ said: "answered" });
    timer = setInterval(async () => say(await speech(session.connection)), EVERY_MS);
  });
  session.on("peerconnection", ({ peerconnection }) => {
    peerconnection.addEventListener("track", (event) => {
      // Chromium decodes, and so measures, only what something plays.
      document.querySelector("audio").srcObject = new MediaStream([event.track]);
    });
  });
  for (const end of ["ended", "failed"]) {
    session.on(end, ({ originator, cause }) => {
      clearInterval(timer);
      say({ said: end, originator, cause });
    });
  }
  // What the microphone gives goes out as it is: the test looks for it at the other end.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  session.answer({ mediaConstraints: { audio, video: false } });
}

async function main() {
  const settings = await (await fetch("/settings.json")).json();
  const phone = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(settings.websocket_url)],
    uri: `sip:${settings.username}@${settings.host}`,
    authorization_user: settings.username,
    password: settings.secret,
    session_timers: false,
  });
  phone.on("registered", () => say({ said: "registered" }));
  phone.on("registrationFailed", ({ cause }) => say({ said: "refused", cause }));
  phone.on("disconnected", ({ reason }) => say({ said: "disconnected", reason }));
  phone.on("newRTCSession", ({ session, originator }) => {
    if (originator === "remote") follow(session);
  });
  phone.start();
}

main().catch((fault) => say({ said: "fault", cause: String(fault) }));
