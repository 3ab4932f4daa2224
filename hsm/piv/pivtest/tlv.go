package pivtest

// fields are the values of a BER-TLV sequence (ISO/IEC 7816-4, section 5.2.2) by
// tag, in which each tag stands once.
type fields map[uint32][]byte

// parseTLV reads b as a sequence of data objects, to its last byte. Tags have up
// to three bytes, lengths up to three, in the shortest form.
func parseTLV(b []byte) (fields, bool) {
	f := fields{}
	for len(b) > 0 {
		tag, value, rest, ok := cutTLV(b)
		if _, twice := f[tag]; !ok || twice {
			return nil, false
		}
		f[tag], b = value, rest
	}
	return f, true
}

// parseTemplate reads b as one data object of that tag, and its value as a
// sequence.
func parseTemplate(b []byte, tag uint32) (fields, bool) {
	outer, ok := parseTLV(b)
	inner, has := outer[tag]
	if !ok || !has || len(outer) != 1 {
		return nil, false
	}
	return parseTLV(inner)
}

// only reports whether f holds no other tags than those.
func (f fields) only(tags ...uint32) bool {
	n := 0
	for _, t := range tags {
		if _, ok := f[t]; ok {
			n++
		}
	}
	return n == len(f)
}

// cutTLV cuts the first data object off b.
func cutTLV(b []byte) (tag uint32, value, rest []byte, ok bool) {
	tag, b, ok = cutTag(b)
	if !ok {
		return 0, nil, nil, false
	}
	n, b, ok := cutLength(b)
	if !ok || n > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// cutTag cuts a tag of up to three bytes off b: of the first, five bits set
// announce more; of the others, the top bit.
func cutTag(b []byte) (tag uint32, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	tag = uint32(b[0])
	if b[0]&0x1f != 0x1f {
		return tag, b[1:], true
	}
	for i := 1; i < 3 && i < len(b); i++ {
		tag = tag<<8 | uint32(b[i])
		if b[i]&0x80 == 0 {
			return tag, b[i+1:], true
		}
	}
	return 0, nil, false
}

// cutLength cuts a length in its shortest form off b.
func cutLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return int(b[0]), b[1:], true
	case len(b) > 1 && b[0] == 0x81 && b[1] >= 0x80:
		return int(b[1]), b[2:], true
	case len(b) > 2 && b[0] == 0x82 && b[1] > 0:
		return int(b[1])<<8 | int(b[2]), b[3:], true
	}
	return 0, nil, false
}

// appendTLV appends a data object to b. Values are shorter than 64 KB.
func appendTLV(b []byte, tag uint32, value []byte) []byte {
	for shift := 16; shift >= 0; shift -= 8 {
		if part := tag >> shift; part > 0 {
			b = append(b, byte(part))
		}
	}
	switch n := len(value); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, value...)
}
