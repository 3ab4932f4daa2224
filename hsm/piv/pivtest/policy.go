package pivtest

import "time"

// pinPolicy says when a private key wants the PIN, in Yubico's numbering.
type pinPolicy byte

const (
	pinDefault pinPolicy = iota
	pinNever
	pinOnce
	pinAlways
)

// touchPolicy says when a private key wants a touch, in Yubico's numbering.
type touchPolicy byte

const (
	touchDefault touchPolicy = iota
	touchNever
	touchAlways
	touchCached
)

// touchMemory is how long a touch counts for keys with the policy "cached".
const touchMemory = 15 * time.Second

// policy is both, and holds no default any more.
type policy struct {
	pin   pinPolicy
	touch touchPolicy
}

// Tags of the policies in GENERATE and IMPORT.
const (
	tagPINPolicy   = 0xaa
	tagTouchPolicy = 0xab
)

// parsePolicy takes the policies out of f, with the slot's own where there are
// none.
func parsePolicy(f fields, s slot) (policy, bool) {
	pin, ok := takeByte(f, tagPINPolicy)
	touch, ok2 := takeByte(f, tagTouchPolicy)
	p := policy{pinPolicy(pin), touchPolicy(touch)}
	if !ok || !ok2 || p.pin > pinAlways || p.touch > touchCached {
		return policy{}, false
	}
	if p.pin == pinDefault {
		p.pin = s.pin()
	}
	if p.touch == touchDefault {
		p.touch = touchNever
	}
	return p, true
}

// takeByte takes a value of one byte out of f; 0 when it is not there.
func takeByte(f fields, tag uint32) (byte, bool) {
	v, ok := f[tag]
	delete(f, tag)
	if !ok {
		return 0, true
	}
	if len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// permit asks for what the key wants before it is used, the PIN first. The use
// costs a key with the policy "always" its PIN, even when the touch then fails.
func (c *Card) permit(p policy) bool {
	fresh := c.session.pinFresh
	c.session.pinFresh = false
	switch p.pin {
	case pinNever:
	case pinOnce:
		if !c.session.pinVerified {
			return false
		}
	default:
		if !fresh {
			return false
		}
	}
	return c.touched(p.touch)
}

// touched waits for a touch, if one is needed.
func (c *Card) touched(p touchPolicy) bool {
	switch p {
	case touchNever:
		return true
	case touchCached:
		// A clock that went back proves nothing.
		if age := c.clock().Sub(c.session.touched); !c.session.touched.IsZero() && age >= 0 && age < touchMemory {
			return true
		}
	}
	if !c.hand.touch() {
		return false
	}
	if p == touchCached {
		c.session.touched = c.clock()
	}
	return true
}
