"""Real softphones for tests: baresip at a desk, JsSIP in a headless Chromium."""
