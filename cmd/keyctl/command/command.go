// Package command is keyctl: keys, encryption, identities, policies and the
// audit log of keyd from a shell.
//
// [Main] is the whole program. Each verb has a file, or shares one with its
// twin: an options struct, a function that fills it from flags, and a run method
// that does the work and never sees a flag. A verb talks to keyd through the
// official AWS client and ends in one of three ways: what was asked, on standard
// output (as a table for people or JSON for programs); bytes, where they were
// asked for; or a [failure].
//
// Plaintexts, data keys and credentials go to standard output or the file named,
// nowhere else (but for the cache of "keyctl credentials"): never into a message,
// never into a file that others can read.
package command

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// defaultTimeout is how long one call may take, its retries included: a token
// that makes an RSA key needs several seconds.
const defaultTimeout = 30 * time.Second

// cli is what every verb has: the streams and the flags they all share.
type cli struct {
	in       io.Reader
	out      io.Writer
	err      io.Writer
	terminal *term.Terminal

	endpoint string
	socket   string
	profile  string
	region   string
	format   outputFormat
	timeout  time.Duration

	// running is true once flags and arguments were accepted: an error before
	// that is a wrong command line.
	running bool
}

// Main runs keyctl with args (without the program's name) and returns its exit
// code: see "keyctl help exit-codes".
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return mainContext(context.Background(), args, stdin, stdout, stderr)
}

// mainContext is Main for callers that end a verb that would follow for ever.
func mainContext(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{in: stdin, out: stdout, err: stderr, terminal: term.New(stdin, stderr)}
	root := newRoot(c)
	// Nil would make cobra read the arguments of the whole process.
	root.SetArgs(append([]string{}, args...))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return int(exitOK)
	}
	if !c.running {
		err = usage(err, "see "+cmd.CommandPath()+" --help")
	}
	return int(report(stderr, err))
}

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "keyctl",
		Short: "Administer keyd, the key and MFA appliance",
		Long: `Keyctl administers keyd, the key and MFA appliance.

It finds keyd, and who you are, as every AWS program does: AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/config with
endpoint_url. It never talks to an endpoint that was not configured.

KEY is a key id, a key ARN, an alias name (alias/app) or an alias ARN. Users,
groups and roles are named by name, policies and roles to assume by name or ARN.`,
		Example: `  . ./dev/env                                    # what "keyd dev --dir dev" wrote
  keyctl key create --alias app
  echo secret | keyctl encrypt --key alias/app --context tenant=7 --out secret.enc
  keyctl decrypt --context tenant=7 secret.enc
  keyctl user create alice && keyctl policy attach ReadOnlyAccess --user alice`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE:              group,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	c.globalFlags(root)
	root.AddCommand(
		newWhoami(c), newKey(c), newAlias(c), newGrant(c), newTag(c), newRotate(c), newReplicate(c), newStore(c),
		newEncrypt(c), newDecrypt(c), newReencrypt(c), newDatakey(c), newRandom(c),
		newSign(c), newVerify(c), newMac(c), newDerive(c), newPublicKey(c),
		newUser(c), newGroup(c), newRole(c), newPolicy(c), newAccessKey(c), newMFA(c),
		newAssumeRole(c), newSession(c), newLogin(c), newLogout(c), newCredentials(c), newReport(c),
		newUnseal(c), newSeal(c), newAudit(c), newCompletion(c), newVersion(c),
		exitCodesTopic(), outputTopic(),
	)
	return root
}

func (c *cli) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&c.endpoint, "endpoint", "", "`URL` of keyd (default: AWS_ENDPOINT_URL, or endpoint_url of the profile)")
	f.StringVar(&c.socket, "socket", "", "`PATH` of keyd's Unix socket (default: KEYD_SOCKET, if no endpoint is configured)")
	f.StringVar(&c.profile, "profile", "", "`NAME` of a profile in the AWS configuration (default: AWS_PROFILE)")
	f.StringVar(&c.region, "region", "", "`REGION` of the keys (default: AWS_REGION, else "+defaultRegion+")")
	f.VarP(&c.format, "output", "o", "`FORMAT` of the answer: table or json (see keyctl help output)")
	f.DurationVar(&c.timeout, "timeout", defaultTimeout, "how long one call may take, its retries included")
	root.MarkFlagsMutuallyExclusive("endpoint", "socket")
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)))
}

// group runs a command that is only the parent of others: alone it shows its
// help, and a word it does not know is an error.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + near[0] + "?"
	}
	return usagef(hint, "%s: no such command: %s", cmd.CommandPath(), args[0])
}

// run makes a cobra function of a verb, and marks that the command line was good.
func (c *cli) run(verb func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c.running = true
		return verb(cmd.Context(), args)
	}
}

// must is for registrations that fail only if a flag is misspelled here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
