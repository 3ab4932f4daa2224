package server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/policy"
)

// levels are guardrails of a kind, one policy a level.
func levels(t *testing.T, kind policy.Kind, statements ...string) (all [][]*policy.Policy) {
	t.Helper()
	for _, s := range statements {
		if _, err := policy.Parse([]byte(*document(s)), kind); err != nil {
			t.Fatal(err)
		}
		all = append(all, []*policy.Policy{must(policy.Load("guardrail", []byte(*document(s)), kind))})
	}
	return all
}

// TestGuardrailRules: section 8 over the wire.
func TestGuardrailRules(t *testing.T) {
	t.Run("8.1 every level of SCPs allows", func(t *testing.T) {
		scp := levels(t, policy.SCP, anything, `{"Effect":"Allow","Action":["kms:*","sts:*"],"Resource":"*"}`)
		r := startRuled(t, testkit.WithGuardrails(authz.Guardrails{SCP: scp}))
		const short = "because no service control policy allows the "
		_, err := r.IAM().ListUsers(t.Context(), &iamclient.ListUsersInput{})
		refused(t, "root outside", err, "AccessDenied", rootARN+" is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/ "+short+"iam:ListUsers action")
		r.allowed("root inside", r.encrypt(r.root()))
		r.denied("they grant nothing", r.encrypt(r.ann), byIdentity)
		r.keySays(r.key, toKey("Allow", "*"))
		r.allowed("a user inside", r.encrypt(r.ann))
		identityOf(t, r.Kit, r.ann)
	})
	t.Run("8.1 SCPs deny", func(t *testing.T) {
		scp := levels(t, policy.SCP, anything+`,{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/ops"}}}`)
		r := startRuled(t, testkit.WithGuardrails(authz.Guardrails{SCP: scp}))
		r.annMay(anything)
		r.opsMay(anything)
		r.denied("a user", r.encrypt(r.ann), "with an explicit deny in a service control policy")
		r.allowed("the role that is spared", r.encrypt(r.session("")))
	})
	t.Run("8.1 RCPs only deny", func(t *testing.T) {
		rcp := levels(t, policy.RCP, `{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:dept":"hr"}}}`)
		r := startRuled(t, testkit.WithGuardrails(authz.Guardrails{RCP: rcp}))
		r.denied("root", r.encrypt(r.root()), "with an explicit deny in a resource control policy")
		r.allowed("not denied", second(r.KMS(region).Encrypt(t.Context(), &kms.EncryptInput{
			KeyId: &r.key, Plaintext: []byte("m"), EncryptionContext: map[string]string{"dept": "hr"},
		})))
		r.denied("they grant nothing", second(r.KMSWith(region, r.ann).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &r.key})), byIdentity)
		r.allowed("what is about no resource", second(r.KMS(region).GenerateRandom(t.Context(), &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(8)})))
	})
	t.Run("8.2 the owner is bound", func(t *testing.T) {
		scp := levels(t, policy.SCP, anything+`,{"Effect":"Deny","Action":"kms:ScheduleKeyDeletion","Resource":"*"}`)
		r := startRuled(t, testkit.WithGuardrails(authz.Guardrails{SCP: scp}))
		_, err := r.KMS(region).ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &r.key})
		r.denied("root", err, "with an explicit deny in a service control policy")
		r.allowed("all else", r.encrypt(r.root()))
	})
	t.Run("8.1 the lockout check knows them", func(t *testing.T) {
		scp := levels(t, policy.SCP, anything+`,{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*"}`)
		kit := testkit.Start(t, testkit.WithGuardrails(authz.Guardrails{SCP: scp}))
		_, err := kit.KMS(region).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: document(toKey("Allow", rootARN))})
		refused(t, "rule 9.1", err, "MalformedPolicyDocumentException", "will not allow you to update")
	})
}
