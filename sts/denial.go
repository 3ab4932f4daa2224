package sts

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
)

// Denial is why the gate refused a request: what an authorization message tells
// those who may decode it.
type Denial struct {
	Explicit         bool // by a Deny; otherwise nothing allowed it
	Caller           iam.Principal
	Action, Resource string
	Matched          []DenialStatement
	Facts            []DenialFact // what conditions could ask about
}

// DenialStatement is a statement that had a part in the decision.
type DenialStatement struct {
	Policy string `json:"sourcePolicy,omitempty"`
	Sid    string `json:"statementId"`
	Effect string `json:"effect"` // ALLOW or DENY
}

// DenialFact is a condition key and its values.
type DenialFact struct {
	Key    string
	Values []string
}

const (
	denialPurpose = "authorization-message"
	maxDenial     = 7_000  // bytes of the text; sealed and in base64 it stays under maxMessage
	maxMessage    = 10_240 // characters that DecodeAuthorizationMessage takes
)

// EncodeDenial makes the encoded authorization message of a refusal. What would
// make it longer than DecodeAuthorizationMessage takes is left out: first the
// facts, then the statements.
func (s *Service) EncodeDenial(ctx context.Context, d Denial) (string, error) {
	text, err := d.text()
	if err == nil && len(text) > maxDenial {
		d.Facts = nil
		text, err = d.text()
	}
	if err == nil && len(text) > maxDenial {
		d.Matched = nil
		text, err = d.text()
	}
	if err != nil {
		return "", err
	}
	sealed, err := s.Sealer.Seal(ctx, denialPurpose, text)
	if err != nil {
		return "", fmt.Errorf("authorization message: %w", err)
	}
	return tokenEncoding.EncodeToString(sealed), nil
}

// DecodeDenial reads an encoded authorization message back, as the JSON text
// that AWS's have. An error of the sealer comes back wrapped, as from Verify.
func (s *Service) DecodeDenial(ctx context.Context, message string) (string, error) {
	if len(message) > maxMessage || strings.ContainsAny(message, "\r\n") {
		return "", InvalidMessage()
	}
	sealed, err := tokenEncoding.DecodeString(message)
	if err != nil {
		return "", InvalidMessage()
	}
	text, err := s.Sealer.Unseal(ctx, denialPurpose, sealed)
	if err != nil {
		return "", fmt.Errorf("authorization message: %w", err)
	}
	return string(text), nil
}

// InvalidMessage refuses what is no authorization message of this appliance.
func InvalidMessage() error {
	return refuse(CodeInvalidMessage, "The message is not a valid encoded authorization message.")
}

// items is how lists look in a decoded message.
type items[T any] struct {
	Items []T `json:"items"`
}

func itemsOf[T any](of []T) items[T] {
	if of == nil {
		of = []T{}
	}
	return items[T]{of}
}

type messageValue struct {
	Value string `json:"value"`
}

type messageFact struct {
	Key    string              `json:"key"`
	Values items[messageValue] `json:"values"`
}

type messageContext struct {
	Principal  messagePrincipal   `json:"principal"`
	Action     string             `json:"action"`
	Resource   string             `json:"resource"`
	Conditions items[messageFact] `json:"conditions"`
}

type messagePrincipal struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	ARN  string `json:"arn"`
}

// text is the message as JSON, in the members that AWS's has.
func (d *Denial) text() ([]byte, error) {
	facts := make([]messageFact, len(d.Facts))
	for i, f := range d.Facts {
		values := make([]messageValue, len(f.Values))
		for j, v := range f.Values {
			values[j].Value = v
		}
		facts[i] = messageFact{f.Key, itemsOf(values)}
	}
	return json.Marshal(struct {
		Allowed      bool                   `json:"allowed"`
		ExplicitDeny bool                   `json:"explicitDeny"`
		Matched      items[DenialStatement] `json:"matchedStatements"`
		Failures     items[struct{}]        `json:"failures"`
		Context      messageContext         `json:"context"`
	}{
		ExplicitDeny: d.Explicit, Matched: itemsOf(d.Matched), Failures: itemsOf[struct{}](nil),
		Context: messageContext{
			messagePrincipal{d.Caller.ID, d.Caller.Name, d.Caller.ARN}, d.Action, d.Resource, itemsOf(facts),
		},
	})
}
