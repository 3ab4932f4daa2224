package server_test

import (
	"context"
	"testing"
	"time"

	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

const (
	allOfKMS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	// administration leaves the account everything but the use of the key.
	administration = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Resource":"*",
		"Action":["kms:PutKeyPolicy","kms:GetKeyPolicy","kms:DescribeKey","kms:EnableKey","kms:DisableKey"]}]}`
	delegation = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Resource":"*","Action":"kms:*"}]}`
)

// A right is something that lets a user use a key, and how it is taken away.
type right struct {
	take, give func() error
	code       string // of the refusal without it
}

// rights attaches to a user a policy that lets it use the key, and returns all
// that the use rests on, by the operation that takes it away.
func rights(t *testing.T, kit *testkit.Kit, user, keyID, key string) map[string]right {
	t.Helper()
	ctx, api := context.Background(), kit.IAM()
	arn := must(api.CreatePolicy(ctx, &iamclient.CreatePolicyInput{PolicyName: new("use"), PolicyDocument: new(allOfKMS)})).Policy.Arn
	attach := func() error {
		_, err := api.AttachUserPolicy(ctx, &iamclient.AttachUserPolicyInput{UserName: &user, PolicyArn: arn})
		return err
	}
	put := func(text string) func() error {
		return func() error {
			_, err := kit.KMS(region).PutKeyPolicy(ctx, &kmsclient.PutKeyPolicyInput{KeyId: &key, Policy: &text})
			return err
		}
	}
	status := func(s iamtypes.StatusType) func() error {
		return func() error {
			_, err := api.UpdateAccessKey(ctx, &iamclient.UpdateAccessKeyInput{UserName: &user, AccessKeyId: &keyID, Status: s})
			return err
		}
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	return map[string]right{
		"DetachUserPolicy": {func() error {
			_, err := api.DetachUserPolicy(ctx, &iamclient.DetachUserPolicyInput{UserName: &user, PolicyArn: arn})
			return err
		}, attach, "AccessDeniedException"},
		"PutKeyPolicy":    {put(administration), put(delegation), "AccessDeniedException"},
		"UpdateAccessKey": {status(iamtypes.StatusTypeInactive), status(iamtypes.StatusTypeActive), "UnrecognizedClientException"},
		"PutUserPolicy": {func() error {
			_, err := api.PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: &user, PolicyName: new("no"),
				PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`)})
			return err
		}, func() error {
			_, err := api.DeleteUserPolicy(ctx, &iamclient.DeleteUserPolicyInput{UserName: &user, PolicyName: new("no")})
			return err
		}, "AccessDeniedException"},
	}
}

// usesBy are the operations that use a key, by some client.
func usesBy(api *kmsclient.Client, key string, sealed []byte) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"Encrypt": func() error {
			_, err := api.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
			return err
		},
		"Decrypt": func() error {
			_, err := api.Decrypt(ctx, &kmsclient.DecryptInput{KeyId: &key, CiphertextBlob: sealed})
			return err
		},
		"ReEncrypt": func() error {
			_, err := api.ReEncrypt(ctx, &kmsclient.ReEncryptInput{CiphertextBlob: sealed, SourceKeyId: &key, DestinationKeyId: &key})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := api.GenerateDataKey(ctx, &kmsclient.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
			return err
		},
	}
}

// TestRightTakenUnderway: a right is taken away while the token works on a call
// that was allowed by it. The call that takes it returns at once, and what the
// token then gives is not released.
func TestRightTakenUnderway(t *testing.T) {
	token := &heldToken{entered: make(chan struct{}), release: make(chan struct{})}
	kit := testkit.Start(t, testkit.WithToken(func(tok hsm.Token) hsm.Token {
		token.Token = tok
		return token
	}))
	_, credentials := kit.UserWithKey("ann")
	key := kit.NewKey(region)
	sealed := must(kit.KMS(region).Encrypt(t.Context(), &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})).CiphertextBlob
	keyID := must(credentials.Retrieve(t.Context())).AccessKeyID
	calls := usesBy(kit.KMSWith(region, credentials), key, sealed)
	for change, r := range rights(t, kit, "ann", keyID, key) {
		for use, call := range calls {
			t.Run(change+" during "+use, func(t *testing.T) {
				if err := call(); err != nil {
					t.Fatalf("%s with the right: %v", use, err)
				}
				answer := make(chan error, 1)
				token.held.Store(true)
				go func() { answer <- call() }()
				select {
				case <-token.entered:
				case err := <-answer:
					t.Fatalf("%s did not ask the token: %v", use, err)
				}
				token.held.Store(false)
				if err := r.take(); err != nil {
					t.Error(err)
				}
				token.release <- struct{}{}
				if code := codeOf(<-answer); code != r.code {
					t.Errorf("answered %q after %s had returned, want %q", code, change, r.code)
				}
				if err := r.give(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRightTakenAfterAnswers: the call that takes a right away does not return
// while an answer that was given by it is on its way.
func TestRightTakenAfterAnswers(t *testing.T) {
	kit := testkit.Start(t)
	_, credentials := kit.UserWithKey("ann")
	keyID := must(credentials.Retrieve(t.Context())).AccessKeyID
	for change, r := range rights(t, kit, "ann", keyID, kit.NewKey(region)) {
		release, size := kit.Server.HoldAnswer(), kit.Log.Size()
		returned := make(chan error, 1)
		go func() {
			returned <- r.take()
			close(returned)
		}()
		for kit.Log.Size() == size {
			time.Sleep(time.Millisecond) // until all is done but to return
		}
		select {
		case <-returned:
			t.Errorf("%s returned before the answer was out", change)
		case <-time.After(50 * time.Millisecond):
		}
		release()
		if err := <-returned; err != nil {
			t.Error(err)
		}
	}
}
