package server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

// annBoundary bounds ann by a new policy.
func (r *ruled) annBoundary(statements string) {
	r.t.Helper()
	made := must(r.IAM().CreatePolicy(r.t.Context(), &iamclient.CreatePolicyInput{
		PolicyName: aws.String("boundary"), PolicyDocument: document(statements),
	}))
	must(r.IAM().PutUserPermissionsBoundary(r.t.Context(), &iamclient.PutUserPermissionsBoundaryInput{
		UserName: aws.String("ann"), PermissionsBoundary: made.Policy.Arn,
	}))
}

// session makes a session of role ops, which may do what statements say.
func (r *ruled) session(limit string) aws.CredentialsProvider {
	r.t.Helper()
	in := &stsclient.AssumeRoleInput{RoleArn: aws.String(roleARN + "ops"), RoleSessionName: aws.String("s1")}
	if limit != "" {
		in.Policy = document(limit)
	}
	return testkit.Temporary(must(r.STSWith(region, r.ann).AssumeRole(r.t.Context(), in)).Credentials)
}

// opsMay makes role ops, which ann can assume, and gives it a policy.
func (r *ruled) opsMay(statements string) {
	r.t.Helper()
	r.RoleTrusting("ops", trusting(annARN, `"sts:AssumeRole"`, ""))
	must(r.IAM().PutRolePolicy(r.t.Context(), &iamclient.PutRolePolicyInput{
		RoleName: aws.String("ops"), PolicyName: aws.String("p"), PolicyDocument: document(statements),
	}))
}

// federated is a session of federated user guest, with ann's rights behind it.
func (r *ruled) federated(limit string) aws.CredentialsProvider {
	r.t.Helper()
	in := &stsclient.GetFederationTokenInput{Name: aws.String("guest")}
	if limit != "" {
		in.Policy = document(limit)
	}
	return testkit.Temporary(must(r.STSWith(region, r.ann).GetFederationToken(r.t.Context(), in)).Credentials)
}

// TestPathRules: section 5 over the wire.
func TestPathRules(t *testing.T) {
	const sessionARN = "arn:aws:sts::111122223333:assumed-role/ops/s1"
	t.Run("5.1 paths to a key", func(t *testing.T) {
		r := startRuled(t)
		r.denied("delegated alone", r.encrypt(r.ann), byIdentity+"kms:Encrypt action")
		r.annMay(anyKMS)
		r.allowed("delegated, and an identity policy", r.encrypt(r.ann))
		r.keySays(r.key, toKey("Allow", "arn:aws:iam::111122223333:user/nobody"))
		r.denied("identity policy alone", r.encrypt(r.ann), byKeyPolicy+"kms:Encrypt action")
		r.annMay(`{"Effect":"Allow","Action":"iam:*","Resource":"*"}`)
		r.keySays(r.key, toKey("Allow", annARN))
		r.allowed("named", r.encrypt(r.ann))
	})
	t.Run("5.2 identity policies alone", func(t *testing.T) {
		r := startRuled(t)
		c := r.KMSWith(region, r.ann)
		random := func() error {
			return second(c.GenerateRandom(t.Context(), &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(8)}))
		}
		r.denied("without", random(), byIdentity+"kms:GenerateRandom action")
		r.annMay(`{"Effect":"Allow","Action":["kms:GenerateRandom","kms:List*"],"Resource":"*"}`)
		r.allowed("with", random())
		r.allowed("lists", second(c.ListAliases(t.Context(), &kms.ListAliasesInput{})))
	})
	t.Run("5.3 boundary", func(t *testing.T) {
		r := startRuled(t)
		r.annMay(anything)
		r.annBoundary(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`)
		r.denied("delegated", r.encrypt(r.ann), "because no permissions boundary allows the kms:Encrypt action")
		for _, principal := range []string{annARN, "*"} {
			r.keySays(r.key, toKey("Allow", principal))
			r.allowed("named "+principal, r.encrypt(r.ann))
		}
	})
	t.Run("5.3 session policy", func(t *testing.T) {
		r := startRuled(t)
		r.opsMay(anyKMS)
		session := r.session(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`)
		r.allowed("delegated, without session policy", r.encrypt(r.session("")))
		const short = "because no session policy allows the kms:Encrypt action"
		r.denied("delegated", r.encrypt(session), short)
		r.keySays(r.key, toKey("Allow", "arn:aws:iam::111122223333:role/team/ops"))
		r.denied("role named", r.encrypt(session), short)
		for _, principal := range []string{sessionARN, "*"} {
			r.keySays(r.key, toKey("Allow", principal))
			r.allowed("named "+principal, r.encrypt(session))
		}
	})
	t.Run("5.4 deny in a limiter", func(t *testing.T) {
		r := startRuled(t)
		r.opsMay(anyKMS)
		session := r.session(anyKMS + "," + noEncrypt)
		r.keySays(r.key, toKey("Allow", "*"))
		r.denied("session policy", r.encrypt(session), "with an explicit deny in a session policy")
		r.annBoundary(anything + "," + noEncrypt)
		r.denied("boundary", r.encrypt(r.ann), "with an explicit deny in a permissions boundary")
		r.annMay(noEncrypt)
		r.denied("identity policy", r.encrypt(r.ann), "with an explicit deny in a")
	})
	t.Run("5.5 federated session without a session policy", func(t *testing.T) {
		r := startRuled(t)
		r.annMay(anything)
		bare := r.federated("")
		r.denied("delegated", r.encrypt(bare), "because no session policy allows the kms:Encrypt action")
		r.allowed("with one", r.encrypt(r.federated(anyKMS)))
		r.keySays(r.key, toKey("Allow", annARN))
		r.denied("the user named", r.encrypt(bare), "because no session policy allows")
		r.keySays(r.key, toKey("Allow", "arn:aws:sts::111122223333:federated-user/guest"))
		r.allowed("named itself", r.encrypt(bare))
	})
}

// TestLockoutRules: section 9 over the wire.
func TestLockoutRules(t *testing.T) {
	const lockedOut = "The new key policy will not allow you to update the key policy in the future."
	t.Run("9.1 the author keeps the key", func(t *testing.T) {
		r := startRuled(t)
		put := func(as aws.CredentialsProvider, bypass bool, statements string) error {
			return second(r.KMSWith(region, as).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{
				KeyId: &r.key, Policy: document(statements), BypassPolicyLockoutSafetyCheck: bypass,
			}))
		}
		refused(t, "root hands the key to ann alone", put(r.root(), false, toKey("Allow", annARN)), "MalformedPolicyDocumentException", lockedOut)
		r.annMay(`{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`)
		create := func(statements string) error {
			return second(r.KMSWith(region, r.ann).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: document(statements)}))
		}
		refused(t, "delegated, but ann has no identity policy for it", create(toKey("Allow", rootARN)), "MalformedPolicyDocumentException", lockedOut)
		r.allowed("named", create(toKey("Allow", annARN)))
		inPlace := `{"Effect":"Allow","Principal":{"AWS":"` + rootARN + `"},"Action":"kms:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.1"}}}`
		refused(t, "from another place", put(r.root(), false, inPlace), "MalformedPolicyDocumentException", lockedOut)
		r.allowed("as before", r.encrypt(r.root()))
		r.allowed("with the parameter", put(r.root(), true, toKey("Allow", annARN)))
		r.denied("and now", put(r.root(), true, toKey("Allow", rootARN)), byKeyPolicy)
	})
	t.Run("9.1 the rest counts too", func(t *testing.T) {
		r := startRuled(t)
		r.annMay(anyKMS + `,{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*"}`)
		_, err := r.KMSWith(region, r.ann).CreateKey(t.Context(), &kms.CreateKeyInput{Policy: document(toKey("Allow", annARN))})
		refused(t, "an identity policy that denies", err, "MalformedPolicyDocumentException", lockedOut)
	})
	t.Run("9.2 the parameter in conditions", func(t *testing.T) {
		r := startRuled(t)
		create := func(bypass *bool) error {
			in := &kms.CreateKeyInput{Policy: document(toKey("Allow", annARN))}
			in.BypassPolicyLockoutSafetyCheck = bypass != nil && *bypass
			return second(r.KMSWith(region, r.ann).CreateKey(t.Context(), in))
		}
		const action = `{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":`
		r.annMay(action + `{"Null":{"kms:BypassPolicyLockoutSafetyCheck":"true"}}}`)
		r.allowed("absent where it must be", create(nil))
		r.denied("sent", create(aws.Bool(true)), byIdentity+"kms:CreateKey action")
		r.annMay(action + `{"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}}}`)
		r.denied("absent", create(nil), byIdentity+"kms:CreateKey action")
		r.allowed("sent where it must be", create(aws.Bool(true)))
	})
	t.Run("9.2 text and name", func(t *testing.T) {
		r := startRuled(t)
		put := func(name, text string) error {
			return second(r.KMS(region).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &r.key, PolicyName: &name, Policy: &text}))
		}
		whole := *document(toKey("Allow", rootARN))
		r.allowed("as long as may be", put("default", whole+strings.Repeat(" ", 32_768-len(whole))))
		refused(t, "longer", put("default", whole+strings.Repeat(" ", 32_769-len(whole))), "LimitExceededException", "32768")
		refused(t, "a character beyond Latin-1", put("default", strings.Replace(whole, `"Effect"`, `"Sid":"€","Effect"`, 1)), "ValidationException", "regular expression pattern")
		refused(t, "another name", put("other", whole), "NotFoundException", "No such policy exists")
	})
}

// TestSessionRules: sections 10 and 11 over the wire.
func TestSessionRules(t *testing.T) {
	t.Run("10.3 closed to temporary credentials", func(t *testing.T) {
		r := startRuled(t)
		r.annMay(anything)
		r.opsMay(anything)
		own := testkit.Temporary(must(r.STSWith(region, r.ann).GetSessionToken(t.Context(), &stsclient.GetSessionTokenInput{})).Credentials)
		for what, err := range map[string]error{
			"IAM by a user's session":         second(r.IAMWith(own).ListUsers(t.Context(), &iamclient.ListUsersInput{})),
			"IAM by a federated session":      second(r.IAMWith(r.federated(anything)).ListUsers(t.Context(), &iamclient.ListUsersInput{})),
			"a session by a session":          second(r.STSWith(region, own).GetSessionToken(t.Context(), &stsclient.GetSessionTokenInput{})),
			"a session by a role's session":   second(r.STSWith(region, r.session("")).GetSessionToken(t.Context(), &stsclient.GetSessionTokenInput{})),
			"a role by a federated session":   second(assume(t, r.Kit, r.federated(anything), "ops", nil)),
			"federation by a role's session ": second(r.STSWith(region, r.session("")).GetFederationToken(t.Context(), &stsclient.GetFederationTokenInput{Name: aws.String("x1")})),
		} {
			if err == nil {
				t.Error(what)
			}
		}
		r.allowed("a role by a user's session", second(assume(t, r.Kit, own, "ops", nil)))
		r.allowed("IAM by a role's session", second(r.IAMWith(r.session("")).ListUsers(t.Context(), &iamclient.ListUsersInput{})))
	})
	t.Run("10.5 rights are looked up", func(t *testing.T) {
		r := startRuled(t)
		r.opsMay(anyKMS)
		session := r.session("")
		r.allowed("at first", r.encrypt(session))
		put := func(statements string) {
			must(r.IAM().PutRolePolicy(t.Context(), &iamclient.PutRolePolicyInput{
				RoleName: aws.String("ops"), PolicyName: aws.String("p"), PolicyDocument: document(statements),
			}))
		}
		put(anyKMS + `,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2100-01-01T00:00:00Z"}}}`)
		r.denied("sessions of before a moment", r.encrypt(session), "with an explicit deny in an identity-based policy")
		put(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`)
		r.denied("less", r.encrypt(session), byIdentity+"kms:Encrypt action")
	})
	t.Run("10.5 what is frozen", func(t *testing.T) {
		r := startRuled(t)
		r.opsMay(`{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/dept":"it"}}}`)
		must(r.IAM().UpdateAssumeRolePolicy(t.Context(), &iamclient.UpdateAssumeRolePolicyInput{
			RoleName: aws.String("ops"), PolicyDocument: aws.String(trusting(annARN, `["sts:AssumeRole","sts:TagSession"]`, "")),
		}))
		out := must(assume(t, r.Kit, r.ann, "ops", func(in *stsclient.AssumeRoleInput) {
			in.Tags = []ststypes.Tag{{Key: aws.String("dept"), Value: aws.String("it")}}
		}))
		r.allowed("tagged", r.encrypt(testkit.Temporary(out.Credentials)))
		r.denied("not tagged", r.encrypt(r.session("")), byIdentity)
	})
	t.Run("11 refusals on the wire", func(t *testing.T) {
		r := startRuled(t)
		c := r.KMSWith(region, r.ann)
		dry := func() error {
			return second(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m"), DryRun: aws.Bool(true)}))
		}
		r.denied("dry run without a right", dry(), "User: "+annARN+" is not authorized to perform: kms:Encrypt on resource: "+keyARN(r.key)+" "+byIdentity+"kms:Encrypt action")
		r.annMay(anyKMS)
		refused(t, "dry run", dry(), "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
		blob := must(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})).CiphertextBlob
		_, err := r.KMSWith("eu-2", r.ann).Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
		r.denied("a ciphertext of elsewhere", err, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	})
}
