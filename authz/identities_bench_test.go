package authz_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/store"
)

// benchStatements are ten statements with conditions that a call of Encrypt has
// to be held against; none allows it.
func benchStatements() string {
	conditions := []string{
		`{"Bool":{"aws:SecureTransport":"true"},"StringNotEquals":{"kms:EncryptionContext:dept":"hr"}}`,
		`{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","198.51.100.0/24"]},"StringLike":{"kms:KeySpec":"SYM*"}}`,
		`{"DateGreaterThan":{"aws:CurrentTime":"2090-01-01T00:00:00Z"}}`,
		`{"StringEquals":{"kms:KeyUsage":"ENCRYPT_DECRYPT","aws:PrincipalTag/dept":"it"}}`,
		`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["dept"]},"StringEquals":{"kms:EncryptionContext:dept":"${aws:username}"}}`,
	}
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf(`{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"arn:aws:kms:*:*:key/*","Condition":%s}`,
			conditions[i%len(conditions)]))
	}
	return strings.Join(all, ",")
}

// BenchmarkIdentities: a decision of the gate with all that is around it, for a
// user with ten managed policies of ten statements and one that allows.
func BenchmarkIdentities(b *testing.B) {
	g := start(b)
	ann := g.user("ann", all, iam.Tag{Key: "dept", Value: "hr"})
	g.Update(func(tx store.Tx) error {
		for i := range 10 {
			p, err := g.Identities.CreatePolicy(tx, iam.NewPolicy{Name: fmt.Sprintf("p%d", i), Path: "/", Document: document(benchStatements())})
			if err != nil {
				return err
			}
			if err := g.Identities.AttachPolicy(tx, iam.Holder{Kind: iam.KindUser, Name: "ann"}, p.ARN()); err != nil {
				return err
			}
		}
		return nil
	})
	key := g.keySays(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`)
	check := keyCheck("kms:Encrypt", key)
	check.Facts = []authz.Fact{
		{Key: "kms:encryptionalgorithm", Values: []string{"SYMMETRIC_DEFAULT"}},
		{Key: "kms:EncryptionContext:dept", Values: []string{"hr"}},
		{Key: "kms:encryptioncontextkeys", Values: []string{"dept"}, List: true},
	}
	gate := g.gate(authz.Guardrails{})
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, err := gate.Decide(b.Context(), request(ann), check)
			if err != nil || !d.Allowed {
				b.Fatalf("%+v, %v", d, err)
			}
		}
	})
}
