package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"

	"github.com/keyd-hsm/keyd/hsm"
)

// Labels of NIST SP 800-108r1: one for each use of a backing key, so that no
// use can stand in for another.
const (
	labelMessageKey = "keyd:v1:message-key"
	labelMaterialID = "keyd:v1:material-id"
	labelSeal       = "keyd:v1:seal"
)

// A macer computes HMAC-SHA-256 with a key that stays where it is.
type macer interface {
	MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error)
}

// derive is the KDF in counter mode of NIST SP 800-108r1, section 4.1, with
// HMAC-SHA-256 in the token as its PRF, r = 32 and L = 256: one block.
func derive(ctx context.Context, token macer, k hsm.Key, label string, info []byte) ([]byte, error) {
	input := make([]byte, 0, 4+len(label)+1+len(info)+4)
	input = append(input, 0, 0, 0, 1)
	input = append(input, label...)
	input = append(input, 0)
	input = append(input, info...)
	input = append(input, 0, 0, 1, 0)
	key, err := token.MAC(ctx, k, input)
	if err != nil {
		return nil, err
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("%w: MAC of %d bytes", hsm.ErrUnavailable, len(key))
	}
	return key, nil
}

// materialID names a backing key without saying anything about it.
func materialID(ctx context.Context, token macer, k hsm.Key) (string, error) {
	id, err := derive(ctx, token, k, labelMaterialID, nil)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(id), nil
}

// messageAEAD derives the key of the one message with that header and returns
// AES-256-GCM under it. The derived key opens this message only; it is wiped as
// soon as the cipher has expanded it, and the expansion dies with the call.
func messageAEAD(ctx context.Context, token macer, k hsm.Key, label string, header []byte) (cipher.AEAD, error) {
	key, err := derive(ctx, token, k, label, header)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
