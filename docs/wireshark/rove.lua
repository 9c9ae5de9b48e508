-- Wireshark dissector for what rove sends between hosts: docs/protocol.md, sections 2 and 3.
--
-- Put it into the personal plugin folder (Help > About > Folders), or: tshark -X lua_script:rove.lua
--
-- All that is inside is sealed, so this shows what stands outside of the seal: the kind, the session, lane and counter,
-- the flags, and how much is inside. What a receiver would drop for its form is marked as malformed.
--
-- A kernel that cuts datagrams late (UDP_SEGMENT) or joins them early (UDP_GRO) shows a capture one large datagram where
-- several are on the wire, all of one size but the last. They follow each other with one session and counters that go up
-- by one, and are found by that.

local rove = Proto("rove", "rove virtual network")

local HEADER, TAG, NONCE = 16, 16, 24
local SEALED_HEADER = 2 + NONCE
local SEALED_INNER = 16 + 8 + 1 -- sender, stamp, kind
local CONTROL_MAX, SEALED_MAX = 1232, 4096
local DATA, CONTROL, SEALED = 1, 2, 3
local KINDS = { [DATA] = "data", [CONTROL] = "control", [SEALED] = "sealed" }

local f = {
  type = ProtoField.uint8("rove.type", "Type", base.DEC, KINDS),
  flags = ProtoField.uint8("rove.flags", "Flags", base.HEX),
  needs_checksum = ProtoField.bool("rove.flags.needs_checksum", "Needs checksum", 8, nil, 0x01),
  superframe = ProtoField.bool("rove.flags.superframe", "Segment of a superframe", 8, nil, 0x02),
  last = ProtoField.bool("rove.flags.last", "Last segment", 8, nil, 0x04),
  packed = ProtoField.bool("rove.flags.packed", "Several frames", 8, nil, 0x08),
  hops = ProtoField.uint8("rove.flags.hops", "Hops", base.DEC, nil, 0x30),
  forwarded = ProtoField.bool("rove.flags.forwarded", "Forwarded by a previous owner", 8, nil, 0x40),
  marker = ProtoField.bool("rove.flags.marker", "Marker", 8, nil, 0x80),
  index = ProtoField.uint8("rove.index", "Segment of the superframe", base.DEC),
  zero = ProtoField.uint8("rove.zero", "Zero", base.DEC),
  receiver = ProtoField.uint32("rove.receiver", "Receiver's session index", base.HEX),
  lane = ProtoField.uint8("rove.lane", "Lane", base.DEC),
  counter = ProtoField.uint64("rove.counter", "Counter", base.DEC),
  ring = ProtoField.uint8("rove.ring", "Ring key", base.DEC),
  nonce = ProtoField.bytes("rove.nonce", "Nonce"),
  ciphertext = ProtoField.bytes("rove.ciphertext", "Ciphertext"),
  tag = ProtoField.bytes("rove.tag", "Tag"),
  inside = ProtoField.uint32("rove.inside", "Octets inside", base.DEC),
  datagrams = ProtoField.uint32("rove.datagrams", "Datagrams in this piece", base.DEC),
}
for _, field in pairs(f) do
  table.insert(rove.fields, field)
end

local e = {
  malformed = ProtoExpert.new("rove.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
  cut = ProtoExpert.new("rove.cut", "Not captured as a whole", expert.group.UNDECODED, expert.severity.NOTE),
}
rove.experts = { e.malformed, e.cut }

rove.prefs.ports = Pref.range("UDP ports", "7683", "UDP ports of rove's daemons", 65535)

local function has(flags, bit)
  return math.floor(flags / bit) % 2 == 1
end

-- What is wrong with the 16 octets that begin a data or control datagram, or nil.
local function complaint_of_header(kind, flags, index, zero, lane)
  if zero ~= 0 then
    return "the fourth octet is not zero"
  end
  if kind == CONTROL then
    if flags ~= 0 or index ~= 0 then
      return "control has no flags and no index"
    end
    return lane ~= 0 and "control in a lane for data" or nil
  end
  if lane == 0 then
    return "data in the lane for control"
  end
  if has(flags, 0x80) then
    return (flags ~= 0x80 or index ~= 0) and "a marker has no other flags" or nil
  end
  if not has(flags, 0x02) and (has(flags, 0x04) or index ~= 0) then
    return "a segment's number or end without a superframe"
  end
  if has(flags, 0x08) and (has(flags, 0x01) or has(flags, 0x02)) then
    return "packed frames have flags of their own"
  end
  return nil
end

-- What was captured of `size` octets at `offset`; nil when nothing was.
local function captured(tvb, offset, size)
  local there = math.min(size, tvb:len() - offset)
  if there <= 0 then
    return nil
  end
  return tvb(offset, there)
end

-- The ciphertext and the tag, as far as they were captured.
local function add_sealed_part(tvb, tree, offset, stop)
  local text = captured(tvb, offset, stop - TAG - offset)
  if text then
    tree:add(f.ciphertext, text)
  end
  local tag = captured(tvb, stop - TAG, TAG)
  if tag and tag:len() == TAG then
    tree:add(f.tag, tag)
  end
  if tvb:len() < stop then
    tree:add_proto_expert_info(e.cut)
  end
end

local function add_flags(tree, range)
  local flags = tree:add(f.flags, range)
  for _, name in ipairs({ "needs_checksum", "superframe", "last", "packed", "hops", "forwarded", "marker" }) do
    flags:add(f[name], range)
  end
end

-- A data or control datagram from `offset` up to `stop`. Returns what the packet list says of it.
local function dissect_session(tvb, tree, offset, stop)
  local size = stop - offset
  if size < HEADER + TAG then
    tree:add_proto_expert_info(e.malformed, "shorter than a header and a tag")
    return "short"
  end
  if tvb:len() - offset < HEADER then
    tree:add_proto_expert_info(e.cut)
    return "cut"
  end
  local kind, flags = tvb(offset, 1):uint(), tvb(offset + 1, 1):uint()
  local index, zero, lane = tvb(offset + 2, 1):uint(), tvb(offset + 3, 1):uint(), tvb(offset + 8, 1):uint()
  add_flags(tree, tvb(offset + 1, 1))
  tree:add(f.index, tvb(offset + 2, 1))
  tree:add(f.zero, tvb(offset + 3, 1))
  tree:add(f.receiver, tvb(offset + 4, 4))
  tree:add(f.lane, tvb(offset + 8, 1))
  tree:add(f.counter, tvb(offset + 9, 7))
  tree:add(f.inside, size - HEADER - TAG):set_generated()
  add_sealed_part(tvb, tree, offset + HEADER, stop)

  local complaint = complaint_of_header(kind, flags, index, zero, lane)
  if not complaint and kind == CONTROL and size > CONTROL_MAX then
    complaint = "more than " .. CONTROL_MAX .. " octets"
  end
  if complaint then
    tree:add_proto_expert_info(e.malformed, complaint)
  end
  local words = string.format("session 0x%08x lane %d counter %s", tvb(offset + 4, 4):uint(), lane,
    tostring(tvb(offset + 9, 7):uint64()))
  if kind == DATA then
    if has(flags, 0x02) then
      words = words .. " segment " .. index .. (has(flags, 0x04) and " (last)" or "")
    end
    if has(flags, 0x08) then words = words .. " packed" end
    if has(flags, 0x40) then words = words .. " forwarded" end
    if has(flags, 0x80) then words = words .. " marker" end
  end
  return words
end

local function dissect_envelope(tvb, tree, stop)
  if stop < SEALED_HEADER + SEALED_INNER + TAG then
    tree:add_proto_expert_info(e.malformed, "shorter than an envelope")
    return "short"
  end
  local ring, nonce = captured(tvb, 1, 1), captured(tvb, 2, NONCE)
  if ring then
    tree:add(f.ring, ring)
  end
  if nonce and nonce:len() == NONCE then
    tree:add(f.nonce, nonce)
  end
  local inside = stop - SEALED_HEADER - SEALED_INNER - TAG
  tree:add(f.inside, inside):set_generated()
  add_sealed_part(tvb, tree, SEALED_HEADER, stop)
  if stop > SEALED_MAX then
    tree:add_proto_expert_info(e.malformed, "more than " .. SEALED_MAX .. " octets")
  end
  return "body of " .. inside .. " octets"
end

-- The eight counter octets that follow these.
local function next_counter(octets)
  local bytes = { octets:byte(1, 8) }
  for i = 8, 1, -1 do
    bytes[i] = (bytes[i] + 1) % 256
    if bytes[i] ~= 0 then
      break
    end
  end
  return string.char(bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8])
end

-- The size of the datagrams that the capture has as one, or its whole size.
local function datagram_size(tvb)
  local whole = tvb:reported_len()
  if tvb:len() < 2 * HEADER + TAG then
    return whole
  end
  local octets = tvb:raw()
  local follows = octets:sub(5, 8) .. next_counter(octets:sub(9, 16)) -- of the next header, behind its first 4 octets
  local at = HEADER + TAG + 1
  while true do
    local found = octets:find(follows, at + 4, true)
    if not found then
      return whole
    end
    if octets:byte(found - 4) == octets:byte(1) and octets:byte(found - 1) == 0 then
      return found - 5
    end
    at = found - 3
  end
end

function rove.dissector(tvb, pinfo, tree)
  if tvb:len() == 0 then
    return 0
  end
  pinfo.cols.protocol = "rove"
  local whole = tvb:reported_len()
  local kind = tvb(0, 1):uint()
  if kind ~= DATA and kind ~= CONTROL then
    local item = tree:add(rove, tvb())
    item:add(f.type, tvb(0, 1))
    local words = "unknown"
    if kind == SEALED then
      words = dissect_envelope(tvb, item, whole)
    else
      item:add_proto_expert_info(e.malformed, "no kind of datagram")
    end
    pinfo.cols.info = (KINDS[kind] or "type " .. kind) .. ": " .. words
    return tvb:len()
  end

  local size = datagram_size(tvb)
  local count, offset, first = math.max(1, math.ceil(whole / size)), 0, nil
  repeat
    local stop = math.min(offset + size, whole)
    local item = tree:add(rove, captured(tvb, offset, stop - offset))
    item:add(f.type, tvb(offset, 1))
    if offset == 0 and count > 1 then
      item:add(f.datagrams, count):set_generated()
    end
    local words = dissect_session(tvb, item, offset, stop)
    item:append_text(": " .. words)
    first = first or words
    offset = stop
  until offset >= tvb:len()
  pinfo.cols.info = KINDS[kind] .. ": " .. first .. (count > 1 and ", " .. count .. " datagrams" or "")
  return tvb:len()
end

-- On other ports: data and control begin with octets that few others would send. Envelopes do not, so they are only
-- recognized behind one of these, between the same two ports.
local function is_rove(tvb, pinfo, tree)
  if tvb:reported_len() < HEADER + TAG or tvb:len() < HEADER then
    return false
  end
  local kind = tvb(0, 1):uint()
  if kind ~= DATA and kind ~= CONTROL then
    return false
  end
  local complaint = complaint_of_header(kind, tvb(1, 1):uint(), tvb(2, 1):uint(), tvb(3, 1):uint(), tvb(8, 1):uint())
  -- A lane that counts to more than 2^40 is given up, and a session's index is never zero.
  if complaint or tvb(9, 2):uint() ~= 0 or tvb(4, 4):uint() == 0 then
    return false
  end
  pinfo.conversation = rove
  rove.dissector(tvb, pinfo, tree)
  return true
end

local registered
local function register_ports()
  local ports = DissectorTable.get("udp.port")
  if registered and registered ~= "" then
    ports:remove(registered, rove)
  end
  registered = rove.prefs.ports
  if registered ~= "" then
    ports:add(registered, rove)
  end
end

rove.prefs_changed = register_ports
register_ports()
rove:register_heuristic("udp", is_rove)
