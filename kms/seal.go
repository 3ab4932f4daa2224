package kms

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/keyd-hsm/keyd/hsm"
)

// ErrSealed: a sealed secret was altered, or is another's.
var ErrSealed = errors.New("sealed secret does not open")

// The layout of a sealed secret, docs/spec/ciphertext.md.
const (
	sealVersion    = 1
	sealHeaderSize = 21 // version, number, nonce
	minSealed      = sealHeaderSize + ivSize + tagSize
)

func (s *Service) sealingKey() hsm.Key {
	return hsm.Key{Type: hsm.HMACSHA256, Domain: s.root.Domain, Wrapped: s.root.Sealing}
}

// Seal encrypts a secret of the appliance's own under the token, for storage.
// Purpose says whose secret it is, and only the same purpose opens it.
func (s *Service) Seal(ctx context.Context, purpose string, secret []byte) ([]byte, error) {
	random, err := s.randomBytes(nonceSize + ivSize)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, minSealed+len(secret))
	out = append(out, sealVersion)
	out = binary.BigEndian.AppendUint32(out, sealingNumber)
	out = append(out, random[:nonceSize]...)
	aead, err := messageAEAD(ctx, s.token, s.sealingKey(), labelSeal, out)
	if err != nil {
		return nil, err
	}
	iv := random[nonceSize:]
	aad := append(append([]byte(nil), out...), purpose...)
	return aead.Seal(append(out, iv...), iv, secret, aad), nil
}

// Unseal opens what Seal made for the same purpose. The caller wipes the result
// as soon as it can. The error of a secret that does not open wraps ErrSealed.
func (s *Service) Unseal(ctx context.Context, purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < minSealed || sealed[0] != sealVersion ||
		binary.BigEndian.Uint32(sealed[1:5]) != sealingNumber {
		return nil, ErrSealed
	}
	header, iv := sealed[:sealHeaderSize], sealed[sealHeaderSize:sealHeaderSize+ivSize]
	aead, err := messageAEAD(ctx, s.token, s.sealingKey(), labelSeal, header)
	if err != nil {
		return nil, err
	}
	aad := append(append([]byte(nil), header...), purpose...)
	secret, err := aead.Open(nil, iv, sealed[sealHeaderSize+ivSize:], aad)
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}
