"""What must happen in Redis at once, in the words of its scripts. Each touches one key.

A value is held with its end before it: eight bytes, a double, compared only where the house's clock is told.
"""

from __future__ import annotations

import hashlib


class Script:
    """Called by its hash; the text goes along where the server does not know it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# KEYS: value. ARGV: now, milliseconds to live, what to hold. Answers 1 where it was put.
ADD = Script("""
local held = redis.call('GET', KEYS[1])
if held and struct.unpack('>d', held) > tonumber(ARGV[1]) then return 0 end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
""")

# KEYS: value. Answers what was held.
TAKE = Script("""
local held = redis.call('GET', KEYS[1])
if held then redis.call('DEL', KEYS[1]) end
return held
""")

# KEYS: window. ARGV: now (or nothing: the server's), limit, seconds, cost, parts.
# A window is a flat list of triples, oldest first: the first and the last time of hits that came close
# together, and what they cost; as `Window` in memory.py has it, and with the same promise.
# Answers allowed, remaining, seconds until all may pass again.
HIT = Script("""
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local limit, seconds, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('GET', KEYS[1])
local window, used = {}, 0
local kept = held and cmsgpack.unpack(held) or {}
for at = 1, #kept, 3 do
  if kept[at + 1] > now - seconds then
    window[#window + 1], window[#window + 2], window[#window + 3] = kept[at], kept[at + 1], kept[at + 2]
    used = used + kept[at + 2]
  end
end
local allowed = used + cost <= limit
if allowed and cost > 0 then
  local size = #window
  if size > 0 and now - window[size - 2] < seconds / tonumber(ARGV[5]) then
    window[size - 1], window[size] = now, window[size] + cost
  else
    window[size + 1], window[size + 2], window[size + 3] = now, now, cost
  end
  used = used + cost
  redis.call('SET', KEYS[1], cmsgpack.pack(window), 'PX', math.max(1, math.ceil(seconds * 1000)))
end
local reset = used > 0 and math.max(0, window[#window - 1] + seconds - now) or 0
return {allowed and 1 or 0, math.max(0, limit - used), string.format('%.17g', reset)}
""")
