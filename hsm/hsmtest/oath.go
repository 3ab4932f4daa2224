package hsmtest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

// oath has the vectors of RFC 4226, appendix D, and RFC 6238, appendix B: the
// seeds are the digits over and over, as many as the hash has bytes.
var oath = map[hsm.KeyType]struct {
	seed  int               // its length, in bytes
	codes map[uint64]string // by counter
}{
	hsm.HMACSHA1: {20, map[uint64]string{
		0: "84755224", 1: "94287082", 2: "37359152", 3: "26969429", 4: "40338314",
		5: "68254676", 6: "18287922", 7: "82162583", 8: "73399871", 9: "45520489",
		0x23523EC: "07081804", 0x23523ED: "14050471", 0x273EF07: "89005924", 0x3F940AA: "69279037", 0x27BC86AA: "65353130",
	}},
	hsm.SeedSHA256: {32, map[uint64]string{
		1: "46119246", 0x23523EC: "68084774", 0x23523ED: "67062674", 0x273EF07: "91819424", 0x3F940AA: "90698825", 0x27BC86AA: "77737706",
	}},
	hsm.SeedSHA512: {64, map[uint64]string{
		1: "90693936", 0x23523EC: "25091201", 0x23523ED: "99943326", 0x273EF07: "93441116", 0x3F940AA: "38618901", 0x27BC86AA: "47863826",
	}},
}

// oneTimeCodes computes the vectors with imported seeds, filled up with zeros to
// the length of the key type.
func oneTimeCodes(t *testing.T, token hsm.Token) {
	ready(t, token, 0)
	s, ok := newSender(t, token)
	if !ok {
		return
	}
	for of, v := range oath {
		key := make([]byte, secretSize(of))
		for i := range v.seed {
			key[i] = '0' + byte(i+1)%10
		}
		p, err := imports(t, token, of, 0, hsm.Envelope{Transport: s.transport, Key: s.seal(t, key)})
		if err != nil {
			t.Fatal(err)
		}
		for counter, want := range v.codes {
			sum, err := token.MAC(t.Context(), p.Key, binary.BigEndian.AppendUint64(nil, counter))
			if err != nil {
				t.Fatal(err)
			}
			offset := sum[len(sum)-1] & 15
			got := fmt.Sprintf("%08d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%100_000_000)
			if got != want {
				t.Errorf("code of %d with key type %d: %s, want %s", counter, of, got, want)
			}
		}
	}
}
