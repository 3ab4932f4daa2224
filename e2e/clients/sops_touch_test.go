package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// touchOnly is a key policy that lets a user encrypt and decrypt after an attested
// touch, and root do all else.
const touchOnly = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": "ACCOUNT:root"}, "Action": "kms:*", "Resource": "*",
   "Condition": {"ArnEquals": {"aws:PrincipalArn": "ACCOUNT:root"}}},
  {"Effect": "Allow", "Principal": {"AWS": "ACCOUNT:user/toucher"}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*",
   "Condition": {"StringEquals": {"keyd:MFATouchPolicy": "always"}, "Bool": {"keyd:MFADeviceAttested": "true"}}}]}`

// toucher makes a user with a YubiKey, whose AWS configuration in dir has two
// profiles: me is her access key, and work asks keyctl for a touch.
func toucher(t *testing.T, dir string) {
	t.Helper()
	keyctl := func(args ...string) string {
		cmd := command(t, dir, program("keyctl"), args...)
		cmd.Env = append(cmd.Env, card.environ)
		return output(t, cmd)
	}
	keyctl("user", "create", "toucher")
	made := keyctl("access-key", "create", "toucher", "-o", "json")
	keyctl("mfa", "enroll", "piv", "toucher-key", "--user", "toucher", "--generate", "--touch", "always", "--pin-policy", "never")
	field := func(name string) string {
		_, rest, _ := strings.Cut(made, `"`+name+`": "`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	config := filepath.Join(dir, "config")
	write(t, config, "[profile me]\naws_access_key_id = "+field("AccessKeyId")+"\naws_secret_access_key = "+field("SecretAccessKey")+
		"\n\n[profile work]\ncredential_process = "+program("keyctl")+" credentials --profile me --mfa piv\n")
	t.Setenv("AWS_CONFIG_FILE", config)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "") // to have it back
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSOPSTouch: under a key policy that wants a touch, SOPS asks for one by the
// profile it is given; without the touch it gets nothing.
func TestSOPSTouch(t *testing.T) {
	dir := t.TempDir()
	account := "arn:aws:iam::000000000000"
	toucher(t, dir)
	made, err := keyd.kms.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: aws.String(strings.ReplaceAll(touchOnly, "ACCOUNT", account))})
	if err != nil {
		t.Fatal(err)
	}
	sops := func(profile string, args ...string) *exec.Cmd {
		cmd := command(t, dir, program("sops"), append([]string{"--disable-version-check"}, args...)...)
		cmd.Env = append(cmd.Env, card.environ, "AWS_PROFILE="+profile)
		return cmd
	}
	write(t, filepath.Join(dir, "secrets.yaml"), sopsPlain)
	fails(t, sops("me", "encrypt", "--kms", *made.KeyMetadata.Arn, "secrets.yaml"), "AccessDenied")
	output(t, sops("work", "encrypt", "--in-place", "--kms", *made.KeyMetadata.Arn, "secrets.yaml"))
	if sealed := read(t, filepath.Join(dir, "secrets.yaml")); strings.Contains(sealed, "correct horse") {
		t.Fatalf("encrypted file:\n%s", sealed)
	}

	// Logged in by that touch, it needs no other until it is logged out.
	card.tell(t, "withhold")
	defer card.tell(t, "give")
	if got := output(t, sops("work", "decrypt", "secrets.yaml")); got != sopsPlain {
		t.Errorf("decrypted:\n%s", got)
	}
	output(t, command(t, dir, program("keyctl"), "logout", "--profile", "me"))
	fails(t, sops("work", "decrypt", "secrets.yaml"), "credential_process")
	card.tell(t, "give")
	if got := output(t, sops("work", "decrypt", "secrets.yaml")); got != sopsPlain {
		t.Errorf("decrypted after a touch:\n%s", got)
	}
}
