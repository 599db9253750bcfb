//! A document that uses more than half of the action modules, a loop, conditions and a reboot, on a real instance.

use super::Case;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[("a_document_of_many_modules_builds_an_image", many_modules)];

/// Nineteen of the thirty modules; those that are left are for Windows, for S3, or variants of these.
const PHASES: &str = r#"
    - name: build
      steps:
        - name: Update
          action: UpdateOS
          inputs:
            include: [tzdata]
          maxAttempts: 3
        - name: Folder
          action: CreateFolder
          inputs:
            - path: /opt/many/data
              permissions: "0750"
        - name: File
          action: CreateFile
          inputs:
            - path: /opt/many/data/a.conf
              content: "key=1\n"
              permissions: "0640"
        - name: Append
          action: AppendFile
          inputs:
            - path: /opt/many/data/a.conf
              content: "more=2\n"
        - name: Copy
          action: CopyFile
          inputs:
            - source: /opt/many/data/*.conf
              destination: /opt/many/copies/
        - name: CopyTree
          action: CopyFolder
          inputs:
            - source: /opt/many/data
              destination: /opt/many/tree
        - name: Move
          action: MoveFile
          inputs:
            - source: /opt/many/copies/a.conf
              destination: /opt/many/moved.conf
        - name: Link
          action: CreateSymlink
          inputs:
            - path: /opt/many/link
              target: /opt/many/moved.conf
        - name: User
          action: ExecuteBinary
          inputs:
            path: useradd
            arguments: [acme]
        - name: Own
          action: SetFileOwner
          inputs:
            - path: /opt/many/moved.conf
              owner: acme
        - name: OwnTree
          action: SetFolderOwner
          inputs:
            - path: /opt/many/tree
              owner: acme
        - name: Mode
          action: SetFilePermissions
          inputs:
            - path: /opt/many/moved.conf
              permissions: "0600"
        - name: Loop
          action: ExecuteBash
          loop:
            forEach: [one, two, three]
          inputs:
            commands:
              - echo "{{ loop.index }}-{{ loop.value }}" >> /opt/many/loop
        - name: NotHere
          action: ExecuteBash
          if:
            fileExists: /opt/many/nothing
          inputs:
            commands: ["exit 1"]
        - name: Again
          action: Reboot
          inputs:
            delaySeconds: 0
        - name: List
          action: ListFiles
          inputs:
            - path: /opt/many/tree
              fileNamePattern: "*.conf"
        - name: Read
          action: ReadFile
          inputs:
            - path: /opt/many/loop
        - name: Drop
          action: DeleteFile
          inputs:
            - path: /opt/many/link
        - name: DropFolder
          action: DeleteFolder
          inputs:
            - path: /opt/many/copies
              force: true
    - name: validate
      steps:
        - name: ListedIsThere
          action: Assert
          inputs:
            stringEquals: /opt/many/tree/a.conf
            value: "{{ build.List.outputs.files }}"
        - name: LoopRanOnceEach
          action: ExecuteBash
          inputs:
            commands:
              - set -e
              - test "$(tr '\n' ' ' < /opt/many/loop)" = '0-one 1-two 2-three '
    - name: test
      steps:
        - name: OwnersAndModesAreInTheImage
          action: ExecuteBash
          inputs:
            commands:
              - set -e
              - test "$(stat -c '%U %a' /opt/many/moved.conf)" = 'acme 600'
              - test "$(stat -c %U /opt/many/tree/a.conf)" = acme
              - test "$(stat -c %a /opt/many/data)" = 750
              - test "$(cat /opt/many/moved.conf)" = "$(printf 'key=1\nmore=2')"
              - test ! -e /opt/many/link
              - test ! -e /opt/many/copies
"#;

fn many_modules(stack: &Stack) {
    let phases = PHASES.trim_start_matches('\n').to_owned();
    let pipeline = Pipeline { phases, ..Pipeline::new("many-modules", &[]) };
    let built = stack.build(pipeline.write().path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}
