package kms

import (
	"context"
	"crypto/hmac"
)

// ErrInvalidMAC is the one answer for every MAC that is not the key's of that
// message. AWS sends it without a message.
var ErrInvalidMAC = &Error{Code: CodeInvalidMAC}

// MAC computes the HMAC of a message in the token. The caller has checked state,
// usage and algorithm.
func (s *Service) MAC(ctx context.Context, k *Key, message []byte) ([]byte, error) {
	token, key := s.work(k, k.material[k.Current])
	return token.MAC(ctx, key, message)
}

// VerifyMAC refuses with ErrInvalidMAC what MAC would not answer. It takes as
// long for a wrong MAC as for the right one.
func (s *Service) VerifyMAC(ctx context.Context, k *Key, message, mac []byte) error {
	want, err := s.MAC(ctx, k, message)
	if err != nil {
		return err
	}
	defer clear(want) // whoever reads it could pass it off as made with the key
	if !hmac.Equal(want, mac) {
		return ErrInvalidMAC
	}
	return nil
}
