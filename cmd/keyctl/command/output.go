package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// outputFormat is the value of --output; zero is a table.
type outputFormat int

const (
	outputTable outputFormat = iota
	outputJSON
)

var outputNames = []string{outputTable: "table", outputJSON: "json"}

func (f *outputFormat) String() string { return outputNames[*f] }
func (f *outputFormat) Type() string   { return "format" }

// Set makes outputFormat a flag.
func (f *outputFormat) Set(s string) error {
	for i, name := range outputNames {
		if s == name {
			*f = outputFormat(i)
			return nil
		}
	}
	return fmt.Errorf("must be table or json")
}

// outputTopic is "keyctl help output".
func outputTopic() *cobra.Command {
	return &cobra.Command{Use: "output", Short: "What the output formats promise", Long: `-o table, the default, is for people and may change.

-o json is for programs. It is one JSON object on standard output, in which
  - members have the names that the AWS API gives them: KeyId, KeyState,
    CiphertextBlob, AliasName; members may be added, none changes or goes
  - lists are members of that object, complete (no pages) and never null
  - bytes (Plaintext, CiphertextBlob, Signature) are base64, whatever --raw or --hex say
  - times are RFC 3339 in UTC
  - with --out, the bytes are in the file, and Out is its name instead

  whoami                       UserId, Account, Arn, Kind, AccessKeyId, Temporary,
                               RoleName, SessionName, Expiration
  key create, key describe     KeyId, Arn, Aliases, KeyState, KeySpec, KeyUsage,
                               Origin, CreationDate, DeletionDate, Description …
  key list                     Keys: a list of the same
  key enable, disable, update, cancel-deletion, policy put
                               KeyId, KeyState (after the change)
  key delete                   KeyId, KeyState, DeletionDate, PendingWindowInDays
  key usage                    KeyId, KeyLastUsage (Operation, Timestamp …; null: not
                               used), TrackingStartDate
  key import                   KeyId, KeyMaterialId, ExpirationModel, ValidTo
  key primary, rotate enable, disable, now
                               KeyId, KeyState (after the change)
  replicate                    the new key, as key describe shows it
  rotate status                KeyId, KeyRotationEnabled, RotationPeriodInDays,
                               NextRotationDate
  rotate list                  KeyId, Rotations: KeyMaterialId, RotationDate,
                               RotationType, KeyMaterialState …
  key policy get               KeyId, PolicyName, Policy (a string, as stored)
  alias create, update         AliasName, TargetKeyId
  alias delete                 AliasName
  alias list                   Aliases: AliasName, AliasArn, TargetKeyId …
  grant create                 KeyId, GrantId, GrantToken
  grant list, retirable        Grants: GrantId, KeyId, GranteePrincipal, Operations,
                               Constraints …
  grant revoke, retire         KeyId, GrantId
  tag add, remove, list        KeyId, Tags: TagKey, TagValue
  store create, update, connect, disconnect
                               CustomKeyStoreId, CustomKeyStoreName,
                               CloudHsmClusterId, ConnectionState …
  store list                   CustomKeyStores: a list of the same
  store delete                 CustomKeyStoreId
  encrypt                      KeyId, EncryptionAlgorithm, CiphertextBlob
  decrypt                      KeyId, EncryptionAlgorithm, Plaintext
  reencrypt                    SourceKeyId, KeyId, CiphertextBlob
  datakey                      KeyId, Plaintext, CiphertextBlob
  datakey --pair               KeyId, KeyPairSpec, PublicKey, PrivateKeyPlaintext,
                               PrivateKeyCiphertextBlob
  random                       Plaintext
  sign                         KeyId, SigningAlgorithm, MessageType, Signature
  verify                       KeyId, SigningAlgorithm, SignatureValid
  mac generate                 KeyId, MacAlgorithm, Mac
  mac verify                   KeyId, MacAlgorithm, MacValid
  derive                       KeyId, KeyAgreementAlgorithm, SharedSecret
  public-key                   KeyId, KeySpec, KeyUsage, PublicKey (DER), and the
                               algorithms
  unseal, seal                 State (sealed, unsealing, open), Token, Keys: a list
                               of keys on cards that open it
  audit tail                   one event per line, each a CloudTrail record
  audit verify                 Valid, Origin, Size, Root, CheckpointSize,
                               CheckpointRoot, Segments; if it is not valid,
                               Problem, File, Line, Record (from 0)
  mfa enroll totp, hotp        SerialNumber, Type, UserName, Enabled,
                               Base32StringSeed, URI, QRCodePNG (a PNG)
  mfa enroll piv               a device, as mfa list shows it
  mfa enroll recovery          UserName, Codes
  mfa enable, resync, remove   UserName, SerialNumber
  mfa list                     UserName, Failures, Locked, RecoveryCodesLeft,
                               MFADevices: UserName, SerialNumber, EnableDate, Type,
                               Attested, TouchPolicy, Failures, Locked …
  mfa unlock                   UserName
  mfa verify                   UserName, Purpose, State, Method, SerialNumber, At,
                               Attested, TouchPolicy (of a yes only)
  mfa pending                  Challenges: ChallengeId, UserName, Purpose, Methods,
                               Credentials, CreateDate, Expiration, Asker
  mfa answer                   the same of one, and State
  user create, show            UserName, UserId, Arn, Path, CreateDate, Tags …;
                               show: Groups, AttachedPolicies, PolicyNames,
                               AccessKeys
  user list                    Users: a list of the same
  user tag                     UserName, Tags
  group create, show           GroupName, GroupId, Arn, Path, CreateDate; show:
                               Users, AttachedPolicies, PolicyNames
  group list                   Groups: a list of the same
  group add, remove            GroupName, Users (who was added or removed)
  role create, show            RoleName, RoleId, Arn, AssumeRolePolicyDocument (a
                               string), MaxSessionDuration …; show:
                               AttachedPolicies, PolicyNames, LastUsedDate
  role list                    Roles: a list of the same
  role trust put, user delete, group delete, role delete
                               UserName, GroupName or RoleName
  policy create, show          PolicyName, PolicyId, Arn, DefaultVersionId …; show:
                               VersionId, PolicyDocument (a string)
  policy list                  Policies: a list of the same
  policy versions              Versions: VersionId, IsDefaultVersion, CreateDate
  policy update                PolicyArn, VersionId, IsDefaultVersion
  policy delete                PolicyArn
  policy attach, detach, put-inline, delete-inline
                               UserName, GroupName or RoleName, and PolicyArn or
                               PolicyName
  policy lint                  Valid, Findings: File, Line, Column, Reason, Detail;
                               Warnings: the same, if there are any
  policy summary               Statements: Sid, Line, Effect, Principals, Levels
                               (Level, All, Actions), Unknown, Resources,
                               Conditions
  policy simulate              PolicySourceArn, EvaluationResults: EvalActionName,
                               EvalResourceName, EvalDecision, MatchedStatements,
                               MissingContextValues …
  access-key create, rotate    UserName, AccessKeyId, SecretAccessKey, Status,
                               CreateDate; rotate: PreviousAccessKeyIds
  access-key list              AccessKeyMetadata: the same, and LastUsedDate
  access-key enable, disable   UserName, AccessKeyId, Status
  access-key delete            UserName, AccessKeyId
  assume-role, session         Credentials: AccessKeyId, SecretAccessKey,
                               SessionToken, Expiration; AssumedRoleUser
  login                        Method, Expiration
  logout                       Forgotten (a number)
  session revoke               RoleName or UserName, PolicyName, Before
  credentials                  Version, AccessKeyId, SecretAccessKey, SessionToken,
                               Expiration (always JSON)
  report credentials           Report: rows by the column names of the report
  report unused                Days, Unused: Kind, Name, UserName, Status,
                               CreateDate, LastUsedDate
  version                      Version, Go

Errors are text on standard error in both formats; the exit code is for
programs (see keyctl help exit-codes).`}
}

// show presents what a verb found: doc as JSON, or table as text.
func (c *cli) show(doc any, table *term.Table) error {
	if c.format == outputJSON {
		return c.json(doc)
	}
	var b bytes.Buffer
	if err := table.Write(&b, term.StyleOf(c.out)); err != nil {
		return err
	}
	return c.write(b.Bytes())
}

// done shows what a verb changed: doc as JSON, or one line of text.
func (c *cli) done(doc any, format string, args ...any) error {
	if c.format == outputJSON {
		return c.json(doc)
	}
	return c.write([]byte(term.Clean(fmt.Sprintf(format, args...)) + "\n"))
}

func (c *cli) json(doc any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	// This is no web page: "<" stays as it is.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return err
	}
	return c.write(b.Bytes())
}

// write puts an answer on standard output in one piece.
func (c *cli) write(b []byte) error {
	if _, err := c.out.Write(b); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// when writes a time for people, in UTC as everything in the log is.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
