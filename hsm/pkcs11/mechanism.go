package pkcs11

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// mechanismKWP is CKM_AES_KEY_WRAP_KWP of PKCS#11 3.0, which the driver does
// not know yet.
const mechanismKWP = 0x210B

// Mechanisms without parameters, made once: they are only ever read.
var (
	aesKeyGen     = mechanism(p11.CKM_AES_KEY_GEN)
	genericKeyGen = mechanism(p11.CKM_GENERIC_SECRET_KEY_GEN)
)

func mechanism(n uint) []*p11.Mechanism {
	return []*p11.Mechanism{p11.NewMechanism(n, nil)}
}

// mechanismList has a line "number name" for each mechanism of PKCS#11 2.40,
// and those of 3.0 that matter here.
//
//go:embed mechanisms.txt
var mechanismList string

var mechanismNames = sync.OnceValue(func() map[uint]string {
	names := make(map[uint]string)
	for line := range strings.Lines(mechanismList) {
		number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(number, 16, 32); err == nil {
			names[uint(n)] = name
		}
	}
	return names
})

// mechanismName gives the name of PKCS#11's header file, or the number of a
// mechanism that is not in it.
func mechanismName(n uint) string {
	if name, ok := mechanismNames()[n]; ok {
		return name
	}
	return fmt.Sprintf("CKM_0x%08X", n)
}

// capabilities turns the token's mechanism list into names.
func capabilities(list []*p11.Mechanism) hsm.Capabilities {
	names := make([]string, 0, len(list))
	for _, m := range list {
		names = append(names, mechanismName(m.Mechanism))
	}
	slices.Sort(names)
	return hsm.Capabilities{Mechanisms: slices.Compact(names)}
}

// need refuses with ErrUnsupported when the token lacks one of the mechanisms.
func need(c hsm.Capabilities, mechanisms ...uint) error {
	for _, n := range mechanisms {
		if name := mechanismName(n); !c.Has(name) {
			return fmt.Errorf("%s: %w", name, hsm.ErrUnsupported)
		}
	}
	return nil
}

// keyWrap chooses the mechanism for RFC 5649. Before PKCS#11 3.0 gave it a
// number of its own, modules (SoftHSM2 among them) offered it as
// CKM_AES_KEY_WRAP_PAD.
func keyWrap(c hsm.Capabilities) ([]*p11.Mechanism, error) {
	if need(c, mechanismKWP) == nil {
		return mechanism(mechanismKWP), nil
	}
	if need(c, p11.CKM_AES_KEY_WRAP_PAD) == nil {
		return mechanism(p11.CKM_AES_KEY_WRAP_PAD), nil
	}
	return nil, need(c, mechanismKWP)
}
