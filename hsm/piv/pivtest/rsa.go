package pivtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// publicExponent is that of every RSA key on a YubiKey.
const publicExponent = 65537

// rsaKey signs and deciphers the way the card does: a number to the power of the
// private exponent. Padding is the host's business.
type rsaKey struct{ private *rsa.PrivateKey }

func generateRSA(bits int) func() (private, error) {
	return func() (private, error) {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		return rsaKey{k}, err
	}
}

// loadRSA makes a key of its primes and the three numbers that follow from them,
// each half as long as the modulus. What does not fit together is no key.
func loadRSA(bits int) func(fields) (private, bool) {
	return func(f fields) (private, bool) {
		var n [5]*big.Int
		for i := range n {
			v := f[tagPrime1+uint32(i)]
			if len(v) != bits/16 {
				return nil, false
			}
			n[i] = new(big.Int).SetBytes(v)
		}
		if len(f) != len(n) {
			return nil, false
		}
		return assembleRSA(bits, n[0], n[1], n[2:])
	}
}

// assembleRSA makes the key of two primes and checks it against what else was
// sent: d mod p-1, d mod q-1 and 1/q mod p.
func assembleRSA(bits int, p, q *big.Int, rest []*big.Int) (private, bool) {
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	if p1.Sign() <= 0 || q1.Sign() <= 0 {
		return nil, false
	}
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: publicExponent},
		D:         new(big.Int).ModInverse(big.NewInt(publicExponent), new(big.Int).Mul(p1, q1)),
		Primes:    []*big.Int{p, q},
	}
	if k.D == nil || k.N.BitLen() != bits || k.Validate() != nil {
		return nil, false
	}
	k.Precompute()
	for i, want := range []*big.Int{k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv} {
		if want == nil || want.Cmp(rest[i]) != 0 {
			return nil, false
		}
	}
	return rsaKey{k}, true
}

func (k rsaKey) key() crypto.PrivateKey   { return k.private }
func (k rsaKey) public() crypto.PublicKey { return &k.private.PublicKey }

func (k rsaKey) publicTLV() []byte {
	b := appendTLV(nil, tagModulus, k.private.N.Bytes())
	return appendTLV(b, tagExponentE, big.NewInt(publicExponent).Bytes())
}

func (k rsaKey) operation(tag uint32, data []byte) (func() ([]byte, error), bool) {
	x := new(big.Int).SetBytes(data)
	if tag != tagChallenge || len(data) != k.private.Size() || x.Cmp(k.private.N) >= 0 {
		return nil, false
	}
	return func() ([]byte, error) {
		// Not in constant time; who could measure a fixture may as well read it.
		return k.power(x).FillBytes(make([]byte, k.private.Size())), nil
	}, true
}

// power computes x^d mod n by way of the two primes.
func (k rsaKey) power(x *big.Int) *big.Int {
	p, q := k.private.Primes[0], k.private.Primes[1]
	c := k.private.Precomputed
	a := new(big.Int).Exp(x, c.Dp, p)
	b := new(big.Int).Exp(x, c.Dq, q)
	a.Sub(a, b).Mul(a, c.Qinv).Mod(a, p)
	return a.Mul(a, q).Add(a, b)
}
