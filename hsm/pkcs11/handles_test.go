package pkcs11

import (
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

// A key that is forgotten while it is being unwrapped is used once and not
// cached.
func TestForgetDuringUnwrap(t *testing.T) {
	c := newHandles(4)
	then := c.now()
	c.forget("k")
	h := c.add(&handle{key: "k", object: 1}, then)
	if c.use("k", kind{}) != nil {
		t.Error("a forgotten key is in the cache")
	}
	if !c.release(h) {
		t.Error("nobody is told to destroy a forgotten key")
	}
}

// Whether it is evicted or forgotten, a key in use is destroyed by its last
// user and only once.
func TestHandleInUse(t *testing.T) {
	for name, end := range map[string]func(*handles){
		"evicted":   func(c *handles) { c.release(c.add(&handle{key: "other", object: 2}, c.now())) },
		"forgotten": func(c *handles) { c.forget("k") },
	} {
		c := newHandles(1)
		h := c.add(&handle{key: "k", object: 1}, c.now())
		again := c.use("k", kind{})
		if again != h {
			t.Fatalf("%s: cache holds %v, want %v", name, again, h)
		}
		end(&c)
		if d := c.takeDoomed(); len(d) != 0 {
			t.Errorf("%s: %v doomed while in use", name, d)
		}
		if c.release(h) {
			t.Errorf("%s: destroyed with one user left", name)
		}
		if !c.release(again) {
			t.Errorf("%s: the last user does not destroy it", name)
		}
	}
}

// An idle key that leaves the cache is doomed; a resident one never is.
func TestHandleIdle(t *testing.T) {
	c := newHandles(1)
	c.release(c.add(&handle{key: "idle", object: 1}, c.now()))
	c.release(c.add(&handle{key: "resident", object: 2, resident: true}, c.now()))
	if d := c.takeDoomed(); len(d) != 1 || d[0] != 1 {
		t.Errorf("doomed: %v, want the evicted key", d)
	}
	if c.forget("resident") {
		t.Error("a resident key is doomed by Forget")
	}
	if c.forget("nothing") {
		t.Error("forgetting nothing dooms something")
	}
}

// A handle of another kind is passed over, and makes way for the one that is
// wanted.
func TestHandleOfAnotherKind(t *testing.T) {
	c := newHandles(4)
	signs, derives := kind{hsm.P256, hsm.Sign}, kind{hsm.P256, hsm.Derive}
	c.release(c.add(&handle{key: "k", kind: signs, object: 1}, c.now()))
	if c.use("k", derives) != nil {
		t.Error("a key that signs is lent to derive")
	}
	c.release(c.add(&handle{key: "k", kind: derives, object: 2}, c.now()))
	if d := c.takeDoomed(); len(d) != 1 || d[0] != 1 {
		t.Errorf("doomed: %v, want the key that made way", d)
	}
	if h := c.use("k", derives); h == nil || h.object != 2 {
		t.Errorf("cache holds %+v", h)
	}
}
