package clients_test

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// newKey makes a symmetric key and returns its ARN.
func newKey(t *testing.T) string {
	t.Helper()
	return newKeyOf(t, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
}

// newKeyOf makes a key of any kind.
func newKeyOf(t *testing.T, spec types.KeySpec, usage types.KeyUsageType) string {
	t.Helper()
	out, err := keyd.kms.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// disable and enable change the state of a key.
func disable(t *testing.T, key string) {
	t.Helper()
	if _, err := keyd.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
}

func enable(t *testing.T, key string) {
	t.Helper()
	if _, err := keyd.kms.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
}

// actAs makes a user who may do these operations on every key and nothing else,
// and puts her access key into the environment for the rest of the test. So what
// docs/clients.md says about the permissions that a client needs is tried.
func actAs(t *testing.T, actions ...string) {
	t.Helper()
	name := aws.String(strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()) + "-" + rand.Text()[:8])
	if _, err := keyd.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: name}); err != nil {
		t.Fatal(err)
	}
	if len(actions) > 0 {
		policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
			"Effect": "Allow", "Action": actions, "Resource": "*",
		}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = keyd.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{
			UserName: name, PolicyName: aws.String("client"), PolicyDocument: aws.String(string(policy)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := keyd.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *out.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *out.AccessKey.SecretAccessKey)
}

// refused wants an error that names AWS's code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), code) {
		t.Errorf("error %v, want %s", err, code)
	}
}

// command prepares a program that leaves no trace in the caller's home.
func command(t *testing.T, dir, path string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "TUF_ROOT="+dir)
	return cmd
}

// output runs a program that must succeed and returns its standard output.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, &said)
	}
	return string(out)
}

// fails runs a program that must fail and name AWS's code, or another text.
func fails(t *testing.T, cmd *exec.Cmd, text string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), text) {
		t.Errorf("%s: error %v, want one that says %s:\n%s", strings.Join(cmd.Args, " "), err, text, out)
	}
}

// write makes a file of the test.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read returns what a file of the test holds.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
