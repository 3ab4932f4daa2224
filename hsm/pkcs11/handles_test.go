package pkcs11

import (
	"strconv"
	"testing"

	p11 "github.com/miekg/pkcs11"

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

// Keys that were used again stay, however many are used once after them; when they
// are used no more, they make way.
func TestHandlesUsedAgainStay(t *testing.T) {
	const room = 10
	c := newHandles(room)
	once := func(from, n int) {
		for i := range n {
			key := strconv.Itoa(from + i)
			c.release(c.add(&handle{key: key, object: p11.ObjectHandle(from + i)}, c.now()))
		}
	}
	cached := func(key string) bool {
		h := c.use(key, kind{})
		if h != nil {
			c.release(h)
		}
		return h != nil
	}
	once(0, room)
	if !cached("3") || !cached("4") {
		t.Fatal("keys that fit are not cached")
	}
	once(100, 1000)
	if !cached("3") || !cached("4") || cached("5") {
		t.Errorf("after keys used once: 3, 4 and 5 cached: %t %t %t; want true true false", cached("3"), cached("4"), cached("5"))
	}
	for i := range room { // ten others, used again
		once(2000+i, 1)
		if !cached(strconv.Itoa(2000 + i)) {
			t.Fatal("a key that was just used is not cached")
		}
	}
	once(3000, room)
	if cached("3") {
		t.Error("a key that is used no more stays")
	}
	if got := len(c.byKey); got != room || c.once.Len()+c.again.Len() != room {
		t.Errorf("%d keys cached, %d and %d in lists; want %d", got, c.once.Len(), c.again.Len(), room)
	}
}
