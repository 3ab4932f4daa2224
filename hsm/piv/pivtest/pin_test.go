package pivtest_test

import (
	"encoding/hex"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
	"pgregory.net/rapid"
)

func TestPIN(t *testing.T) {
	w := newWire(t)
	w.want(0x63c3, insVerify, 0, 0x80, "")
	w.want(0x6a80, insVerify, 0, 0x80, "313233343536")
	w.want(0x6a86, insVerify, 1, 0x80, padded("123456"))
	w.want(0x6a88, insVerify, 0, 0x00, padded("123456"))
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.ok(insVerify, 0, 0x80, "")
	w.ok(insVerify, 0xff, 0x80, "")
	w.want(0x63c3, insVerify, 0, 0x80, "")

	w.want(0x63c2, insVerify, 0, 0x80, padded("1"))
	w.want(0x63c1, insVerify, 0, 0x80, padded("1234567"))
	w.ok(insVerify, 0, 0x80, padded("123456"))
	for _, want := range []uint16{0x63c2, 0x63c1, 0x63c0, 0x6983, 0x6983} {
		w.want(want, insVerify, 0, 0x80, padded("000000"))
	}
	w.want(0x6983, insVerify, 0, 0x80, padded("123456"))
	w.want(0x6983, insVerify, 0, 0x80, "")
	w.want(0x6983, insChange, 0, 0x80, padded("123456")+padded("654321"))

	w.want(0x63c2, insUnblock, 0, 0x80, padded("00000000")+padded("654321"))
	w.want(0x6a80, insUnblock, 0, 0x80, padded("12345678")+padded("12345"))
	w.want(0x6983, insVerify, 0, 0x80, "")
	w.ok(insUnblock, 0, 0x80, padded("12345678")+padded("654321"))
	w.ok(insVerify, 0, 0x80, padded("654321"))
	w.want(0x6a80, insChange, 0, 0x80, padded("654321")+"313233ff343536ff")
	w.ok(insChange, 0, 0x81, padded("12345678")+padded("87654321"))
	if pin, puk := w.card.PIN(), w.card.PUK(); pin != "654321" || puk != "87654321" {
		t.Errorf("PIN %q, PUK %q", pin, puk)
	}
}

func TestRetriesAndReset(t *testing.T) {
	w := newWire(t)
	w.want(0x6982, insRetries, 20, 2, "")
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.want(0x6982, insRetries, 20, 2, "")
	w.manage(0x03)
	w.ok(insVerify, 0xff, 0x80, "")
	w.want(0x6982, insRetries, 20, 2, "")
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.want(0x6a86, insRetries, 0, 2, "")
	w.ok(insChange, 0, 0x80, padded("123456")+padded("654321"))
	w.ok(insRetries, 20, 2, "")
	w.want(0x63cf, insVerify, 0, 0x80, padded("654321")) // 19 left: the word has four bits
	w.ok(insVerify, 0, 0x80, padded("123456"))
	w.key(0x9a, 1, 1)
	w.ok(insPut, 0x3f, 0xff, "5c035fc1025301aa")

	w.want(0x6985, insReset, 0, 0, "")
	for range 20 {
		w.send(insVerify, 0, 0x80, padded("000000"))
	}
	w.want(0x6985, insReset, 0, 0, "")
	for range 2 {
		w.send(insChange, 0, 0x81, padded("000000")+padded("000000"))
	}
	w.ok(insReset, 0, 0, "")
	w.want(0x63c3, insVerify, 0, 0x80, "")
	w.want(0x6a82, insGet, 0x3f, 0xff, "5c035fc102")
	w.want(0x6a88, insAuthenticate, 0x11, 0x9a, "7c0482008100")
	w.want(0x6982, insPut, 0x3f, 0xff, "5c035fc1025301aa") // the manager is out, too
	w.ok(insMetadata, 0, 0xf9, "")                         // the attestation key stays
}

// TestPINModel plays with the PIN and the PUK at random, beside a model of them.
func TestPINModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		card := pivtest.New(t)
		w := wire{r, card}
		w.ok(insSelect, 4, 0, pivName)
		values := [2]string{"123456", "12345678"}
		left := [2]int{3, 3}
		verified := false
		// try is what showing a secret does to the model.
		try := func(i int, value string) uint16 {
			switch {
			case left[i] == 0:
				return 0x6983
			case value == values[i]:
				left[i] = 3
				return 0x9000
			}
			left[i]--
			return 0x63c0 + uint16(left[i])
		}
		some := rapid.SampledFrom([]string{"123456", "12345678", "654321", "0", "abcdefgh"})
		fits := func(s string) bool { return len(s) >= 6 }
		r.Repeat(map[string]func(*rapid.T){
			"verify": func(r *rapid.T) {
				v := some.Draw(r, "PIN")
				want := try(0, v)
				verified = want == 0x9000
				w.want(want, insVerify, 0, 0x80, padded(v))
			},
			"change": func(r *rapid.T) {
				i, old, next := rapid.IntRange(0, 1).Draw(r, "which"), some.Draw(r, "old"), some.Draw(r, "new")
				want := try(i, old)
				switch {
				case want != 0x9000:
					verified = verified && i == 1
				case fits(next):
					values[i] = next
				default:
					want = 0x6a80
				}
				w.want(want, insChange, 0, 0x80+byte(i), padded(old)+padded(next))
			},
			"unblock": func(r *rapid.T) {
				puk, next := some.Draw(r, "PUK"), some.Draw(r, "new")
				want := try(1, puk)
				if want == 0x9000 {
					verified = false
					if fits(next) {
						values[0], left[0] = next, 3
					} else {
						want = 0x6a80
					}
				}
				w.want(want, insUnblock, 0, 0x80, padded(puk)+padded(next))
			},
			"noise": func(r *rapid.T) {
				w.send(insVerify, 0, 0x80, hex.EncodeToString(rapid.SliceOfN(rapid.Byte(), 1, 7).Draw(r, "bytes")))
			},
			"": func(r *rapid.T) {
				if pin, puk := card.Tries(); pin != left[0] || puk != left[1] {
					r.Fatalf("%d and %d tries left, want %v", pin, puk, left)
				}
				want := uint16(0x9000)
				if !verified {
					want = 0x63c0 + uint16(left[0])
				}
				if !verified && left[0] == 0 {
					want = 0x6983
				}
				w.want(want, insVerify, 0, 0x80, "")
			},
		})
	})
}
