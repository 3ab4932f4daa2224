package clients_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const sopsPlain = "database:\n    password: correct horse\n    user: web\n"

// TestSOPS keeps a file of secrets as a team does: encrypted to two keys, edited,
// rotated, passed to a program, and no longer readable when the keys are off.
func TestSOPS(t *testing.T) {
	first, second, dir := newKey(t), newKey(t), t.TempDir()
	actAs(t, "kms:Encrypt", "kms:Decrypt")
	t.Setenv("AWS_REGION", "ap-south-1") // the Region is in the key's ARN
	sops := func(args ...string) *exec.Cmd {
		return command(t, dir, program("sops"), append([]string{"--disable-version-check"}, args...)...)
	}
	write(t, filepath.Join(dir, ".sops.yaml"), "creation_rules:\n"+
		"  - kms: "+first+"\n    encrypted_regex: ^password$\n")
	write(t, filepath.Join(dir, "secrets.yaml"), sopsPlain)

	output(t, sops("encrypt", "--in-place", "--encryption-context", "Role:web,Stage:test", "secrets.yaml"))
	sealed := read(t, filepath.Join(dir, "secrets.yaml"))
	if strings.Contains(sealed, "correct horse") || !strings.Contains(sealed, first) {
		t.Fatalf("encrypted file:\n%s", sealed)
	}
	if got := output(t, sops("decrypt", "secrets.yaml")); got != sopsPlain {
		t.Errorf("decrypted:\n%s", got)
	}

	edit := sops("edit", "secrets.yaml")
	edit.Env = append(edit.Env, "SOPS_EDITOR=sed -i s/correct/wrong/")
	output(t, edit)
	output(t, sops("set", "secrets.yaml", `["database"]["user"]`, `"worker"`))
	edited := strings.NewReplacer("correct", "wrong", "web", "worker").Replace(sopsPlain)
	if got := output(t, sops("decrypt", "secrets.yaml")); got != edited {
		t.Errorf("after edit:\n%s", got)
	}

	output(t, sops("rotate", "--in-place", "--add-kms", second, "--encryption-context", "Role:web,Stage:test", "secrets.yaml"))
	disable(t, first)
	if got := output(t, sops("decrypt", "secrets.yaml")); got != edited {
		t.Errorf("with the second key:\n%s", got)
	}
	if got := output(t, sops("decrypt", "--extract", `["database"]["password"]`, "secrets.yaml")); got != "wrong horse" {
		t.Errorf("extracted %q", got)
	}

	// SOPS keeps the encryption context in clear: changing it there is no use.
	tampered := strings.ReplaceAll(read(t, filepath.Join(dir, "secrets.yaml")), "Stage: test", "Stage: prod")
	write(t, filepath.Join(dir, "tampered.yaml"), tampered)
	fails(t, sops("decrypt", "tampered.yaml"), "InvalidCiphertextException")
	disable(t, second)
	fails(t, sops("decrypt", "secrets.yaml"), "DisabledException")
	enable(t, second)
	actAs(t, "kms:Encrypt")
	fails(t, sops("decrypt", "secrets.yaml"), "AccessDeniedException")
}
