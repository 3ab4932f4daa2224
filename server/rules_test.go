package server_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

// Statements that many rules are shown with.
const (
	rootARN     = "arn:aws:iam::111122223333:root"
	annARN      = "arn:aws:iam::111122223333:user/ann"
	anything    = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	anyKMS      = `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	noEncrypt   = `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`
	byKeyPolicy = "because no resource-based policy allows the "
	byIdentity  = "because no identity-based policy allows the "
)

// ruled is an appliance with a key and a user ann, who may do nothing yet.
type ruled struct {
	*testkit.Kit
	t   *testing.T
	key string // its id
	ann aws.CredentialsProvider
}

func startRuled(t *testing.T, opts ...testkit.Option) *ruled {
	t.Helper()
	kit := testkit.Start(t, opts...)
	_, ann := kit.UserWithKey("ann")
	return &ruled{Kit: kit, t: t, key: kit.NewKey(region), ann: ann}
}

func document(statements string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
}

// toKey is a statement of a key policy about everything that a principal does.
func toKey(effect, principal string) string {
	return `{"Effect":"` + effect + `","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}`
}

// keyARN is the ARN of a key in the region of the tests.
func keyARN(id string) string { return "arn:aws:kms:" + region + ":111122223333:key/" + id }

// annMay gives ann one identity policy in place of the last; none for "".
func (r *ruled) annMay(statements string) {
	r.t.Helper()
	r.userMay("ann", statements)
}

func (r *ruled) userMay(user, statements string) {
	r.t.Helper()
	var err error
	if statements == "" {
		_, err = r.IAM().DeleteUserPolicy(r.t.Context(), &iamclient.DeleteUserPolicyInput{UserName: &user, PolicyName: aws.String("p")})
	} else {
		_, err = r.IAM().PutUserPolicy(r.t.Context(), &iamclient.PutUserPolicyInput{
			UserName: &user, PolicyName: aws.String("p"), PolicyDocument: document(statements),
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// keySays puts a key policy past the API, which would refuse to lock root out.
func (r *ruled) keySays(id, statements string) {
	r.t.Helper()
	r.Update(func(tx store.Tx) error {
		k, err := r.Service.KeyByID(context.Background(), tx, region, id)
		if err != nil {
			return err
		}
		_, err = r.Service.PutKeyPolicy(tx, k, *document(statements))
		return err
	})
}

func (r *ruled) encrypt(as aws.CredentialsProvider) error {
	_, err := r.KMSWith(region, as).Encrypt(r.t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})
	return err
}

// allowed and denied check what the gate said.
func (r *ruled) allowed(what string, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Errorf("%s: %v", what, err)
	}
}

func (r *ruled) denied(what string, err error, reason string) {
	r.t.Helper()
	refused(r.t, what, err, "AccessDeniedException", reason)
}

// root is the kit's root user.
func (r *ruled) root() aws.CredentialsProvider { return testkit.LongTerm(r.Credentials) }

// TestModelRules: sections 1 and 2 over the wire.
func TestModelRules(t *testing.T) {
	t.Run("1.5 root user", func(t *testing.T) {
		r := startRuled(t)
		r.allowed("IAM without any policy", second(r.IAM().ListUsers(t.Context(), &iamclient.ListUsersInput{})))
		r.allowed("delegated to the account", r.encrypt(r.root()))
		r.keySays(r.key, toKey("Allow", rootARN)+`,{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`)
		r.denied("explicit deny", r.encrypt(r.root()), "with an explicit deny in a resource-based policy")
		r.keySays(r.key, `{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
		r.denied("no implicit right", r.encrypt(r.root()), byKeyPolicy+"kms:Encrypt action")
	})
	t.Run("2.4 made again under the name", testMadeAgain)
}

func testMadeAgain(t *testing.T) {
	r := startRuled(t)
	c, ctx := r.KMS(region), t.Context()
	statements := toKey("Allow", rootARN) + "," + toKey("Allow", annARN)
	r.allowed("put", second(c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &r.key, Policy: document(statements)})))
	shown := func() string { return *must(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &r.key})).Policy }
	if shown() != *document(statements) {
		t.Errorf("shown as %s", shown())
	}
	r.allowed("named", r.encrypt(r.ann))
	old := must(r.Identities.User(ctx, nil, "ann")).ID
	r.Update(func(tx store.Tx) error {
		keys, _, err := r.Identities.AccessKeys(tx, "ann", iam.Page{})
		if err != nil {
			return err
		}
		if err := r.Identities.DeleteAccessKey(tx, "ann", keys[0].ID); err != nil {
			return err
		}
		return r.Identities.DeleteUser(tx, "ann")
	})
	_, again := r.UserWithKey("ann")
	r.denied("another of the name", r.encrypt(again), byIdentity+"kms:Encrypt action")
	if shown() != *document(toKey("Allow", rootARN) + "," + toKey("Allow", old)) {
		t.Errorf("shown as %s", shown())
	}
	// ARNs in conditions are texts, and mean whoever has them.
	r.keySays(r.key, `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"`+annARN+`"}}}`)
	r.allowed("ARN in a condition", r.encrypt(again))
}

// TestResourceRules: rule 3.6 over the wire.
func TestResourceRules(t *testing.T) {
	r := startRuled(t)
	ctx, c := t.Context(), r.KMSWith(region, r.ann)
	alias := aws.String("alias/a")
	must(r.KMS(region).CreateAlias(ctx, &kms.CreateAliasInput{AliasName: alias, TargetKeyId: &r.key}))
	byAlias := func() (*kms.EncryptOutput, error) {
		return c.Encrypt(ctx, &kms.EncryptInput{KeyId: alias, Plaintext: []byte("m")})
	}
	t.Run("3.6 the key, not the alias", func(t *testing.T) {
		r.annMay(`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:` + region + `:111122223333:alias/*"}`)
		r.denied("allowed on the alias", second(byAlias()), "on resource: "+keyARN(r.key)+" "+byIdentity)
		r.annMay(`{"Effect":"Allow","Action":"kms:*","Resource":"` + keyARN(r.key) + `"}`)
		r.allowed("allowed on the key", second(byAlias()))
	})
	t.Run("3.6 the key of a ciphertext", func(t *testing.T) {
		other := r.NewKey(region)
		mine := must(byAlias()).CiphertextBlob
		theirs := must(r.KMS(region).Encrypt(ctx, &kms.EncryptInput{KeyId: &other, Plaintext: []byte("m")})).CiphertextBlob
		r.allowed("its own", second(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: mine})))
		r.denied("another, named", second(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: theirs, KeyId: &other})), "kms:Decrypt on resource: "+keyARN(other)+" ")
	})
	t.Run("11 no oracle", func(t *testing.T) {
		const closed = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
		other := r.NewKey(region)
		theirs := must(r.KMS(region).Encrypt(ctx, &kms.EncryptInput{KeyId: &other, Plaintext: []byte("m")})).CiphertextBlob
		absent := bytes.Clone(theirs)
		absent[3] ^= 1 // another key id
		for what, blob := range map[string][]byte{"no right": theirs, "no such key": absent} {
			refused(t, what, second(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})), "AccessDeniedException", closed)
			refused(t, what, second(c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &r.key})), "AccessDeniedException", closed)
		}
	})
	t.Run("3.6 no resource", func(t *testing.T) {
		for _, resource := range []string{"*", "arn:aws:kms:" + region + ":111122223333:*"} {
			r.annMay(`{"Effect":"Allow","Action":"kms:ListKeys","Resource":"` + resource + `"}`)
			r.allowed(resource, second(c.ListKeys(ctx, &kms.ListKeysInput{})))
		}
		r.annMay(`{"Effect":"Allow","Action":"kms:ListKeys","Resource":"arn:aws:kms:eu-2:111122223333:*"}`)
		r.denied("another region", second(c.ListKeys(ctx, &kms.ListKeysInput{})), "kms:ListKeys on resource: * "+byIdentity)
	})
}

// TestCheckRules: rule 3.7, an operation passes only if each of its checks does.
func TestCheckRules(t *testing.T) {
	r := startRuled(t)
	ctx, c := t.Context(), r.KMSWith(region, r.ann)
	other := r.NewKey(region)
	grant := func(action, resource string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
	}
	alias := "arn:aws:kms:" + region + ":111122223333:alias/mine"
	// both tries a call with every right it needs, then without each.
	both := func(t *testing.T, call func() error, rights ...[2]string) {
		t.Helper()
		for missing := range rights {
			rest := `{"Effect":"Allow","Action":"kms:None","Resource":"*"}`
			for i, right := range rights {
				if i != missing {
					rest += "," + grant(right[0], right[1])
				}
			}
			r.annMay(rest)
			resource := rights[missing][1]
			r.denied("without "+rights[missing][0], call(), "perform: "+rights[missing][0]+" on resource: "+resource+" "+byIdentity)
		}
		all := ""
		for i, right := range rights {
			if i > 0 {
				all += ","
			}
			all += grant(right[0], right[1])
		}
		r.annMay(all)
		r.allowed("with all", call())
	}
	t.Run("3.7 ReEncrypt on both keys", func(t *testing.T) {
		blob := must(r.KMS(region).Encrypt(ctx, &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})).CiphertextBlob
		both(t, func() error {
			return second(c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, SourceKeyId: &r.key, DestinationKeyId: &other}))
		}, [2]string{"kms:ReEncryptFrom", keyARN(r.key)}, [2]string{"kms:ReEncryptTo", keyARN(other)})
	})
	t.Run("3.7 ReEncrypt on one key", func(t *testing.T) {
		r := startRuled(t)
		blob := must(r.KMS(region).Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte("m")})).CiphertextBlob
		r.annMay(`{"Effect":"Allow","Action":"kms:ReEncryptFrom","Resource":"*"}`)
		_, err := r.KMSWith(region, r.ann).ReEncrypt(t.Context(), &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &r.key})
		r.denied("to the key that the ciphertext is of", err, byIdentity+"kms:ReEncryptTo action")
	})
	t.Run("3.7 CreateAlias on alias and key", func(t *testing.T) {
		both(t, func() error {
			return second(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/mine"), TargetKeyId: &r.key}))
		}, [2]string{"kms:CreateAlias", alias}, [2]string{"kms:CreateAlias", keyARN(r.key)})
	})
	t.Run("3.7 UpdateAlias on alias and both keys", func(t *testing.T) {
		both(t, func() error {
			return second(c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/mine"), TargetKeyId: &other}))
		}, [2]string{"kms:UpdateAlias", alias}, [2]string{"kms:UpdateAlias", keyARN(r.key)}, [2]string{"kms:UpdateAlias", keyARN(other)})
	})
	t.Run("3.7 DeleteAlias on alias and key", func(t *testing.T) {
		both(t, func() error {
			return second(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String("alias/mine")}))
		}, [2]string{"kms:DeleteAlias", alias}, [2]string{"kms:DeleteAlias", keyARN(other)})
	})
	t.Run("3.7 CreateKey with tags", func(t *testing.T) {
		tags := []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}
		both(t, func() error {
			return second(c.CreateKey(ctx, &kms.CreateKeyInput{Tags: tags, BypassPolicyLockoutSafetyCheck: true}))
		}, [2]string{"kms:CreateKey", "*"}, [2]string{"kms:TagResource", "*"})
		r.annMay(grant("kms:CreateKey", "*"))
		r.allowed("without tags", second(c.CreateKey(ctx, &kms.CreateKeyInput{BypassPolicyLockoutSafetyCheck: true})))
	})
	t.Run("3.7 GetCallerIdentity always", func(t *testing.T) {
		r.annMay(`{"Effect":"Deny","Action":"*","Resource":"*"}`)
		identityOf(t, r.Kit, r.ann)
	})
}
