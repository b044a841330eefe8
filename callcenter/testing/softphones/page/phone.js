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

// The loudest notes of the last 340 ms that came in: hertz and decibels (0 is the loudest there is).
function notes(ear) {
  const bins = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(bins);
  const width = ear.context.sampleRate / ear.fftSize;
  const peaks = [];
  for (let at = 1; at < bins.length - 1; at += 1) {
    if (bins[at] > -60 && bins[at] >= bins[at - 1] && bins[at] > bins[at + 1]) {
      peaks.push({ hertz: at * width, decibels: bins[at] });
    }
  }
  return peaks.sort((one, other) => other.decibels - one.decibels).slice(0, 12);
}

function earOf(stream) {
  const context = new AudioContext();
  const ear = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(ear);
  return ear;
}

function follow(session) {
  let timer = null;
  let ear = null;
  session.on("accepted", () => {
    say({ said: "answered" });
    timer = setInterval(async () => {
      say(await speech(session.connection));
      if (ear !== null) say({ said: "notes", notes: notes(ear) });
    }, EVERY_MS);
  });
  session.on("peerconnection", ({ peerconnection }) => {
    peerconnection.addEventListener("track", (event) => {
      // Chromium decodes, and so measures, only what something plays.
      const stream = new MediaStream([event.track]);
      document.querySelector("audio").srcObject = stream;
      ear = earOf(stream);
    });
  });
  for (const end of ["ended", "failed"]) {
    session.on(end, ({ originator, cause }) => {
      clearInterval(timer);
      ear?.context.close();
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
