package kms

import (
	"context"

	"github.com/keyd-hsm/keyd/hsm"
)

// Inner workings that the vectors of docs/spec/ciphertext.md speak of.
var (
	AppendHeader  = appendHeader
	AppendContext = appendContext
	ValidKeyID    = validKeyID
)

// Derive derives with a given label.
func Derive(token macer, label string, info []byte) ([]byte, error) {
	return derive(context.Background(), token, hsm.Key{}, label, info)
}

// Labels.
const (
	LabelMessageKey = labelMessageKey
	LabelMaterialID = labelMaterialID
	LabelSeal       = labelSeal
)

// knownToken is a token of which only MAC is used.
type knownToken struct {
	hsm.Token
	macer
}

func (t knownToken) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	return t.macer.MAC(ctx, k, data)
}

// WithKnownKey makes a service whose every key is the one that m knows, and
// whose random bytes are given, over and over.
func WithKnownKey(m macer, id string, number uint32, random []byte) (*Service, *Key) {
	token := knownToken{macer: m}
	material, _ := materialID(context.Background(), token, hsm.Key{})
	s := &Service{account: "111122223333", token: token, random: endless(random)}
	return s, &Key{
		ID: id, Account: s.account, Region: "eu-1", Spec: SymmetricDefault, Usage: EncryptDecrypt, Current: number,
		material: map[uint32]Material{number: {Number: number, ID: material}},
	}
}

type endless []byte

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }
