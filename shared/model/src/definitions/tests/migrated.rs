//! Tests of definitions that come from Image Builder.

use super::*;

#[test]
fn a_recipe_without_components_copies_its_source() {
    for rest in ["components: []\n", ""] {
        assert_eq!(read(&[&recipe(rest)]).unwrap().recipes[0].components, []);
    }
}

#[test]
fn keys_of_image_builder_that_change_nothing_are_accepted() {
    let component = COMPONENT.replace("uri:", "changeDescription: new port\nuri:");
    let infrastructure =
        format!("{SMALL}terminateInstanceOnFailure: true\ninstanceMetadataOptions: {{httpTokens: required}}\n");
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n\
                    enhancedImageMetadataEnabled: true\n";
    let recipe = recipe("components: [{name: nginx, version: 1.0.0}]\n");
    assert_eq!(read(&[&component, &recipe, &infrastructure, pipeline]).unwrap().pipelines.len(), 1);
}

#[test]
fn what_image_builder_spells_otherwise_is_named_with_what_to_write() {
    let head = recipe("");
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n";
    let managed = |image: &str| {
        head.replace("ssm:/source", &format!("\"arn:aws:imagebuilder:eu-west-1:aws:image/{image}/x.x.x\""))
    };
    let component =
        |arn: &str| recipe(&format!("components: [{{componentArn: \"arn:aws:imagebuilder:eu-west-1:{arn}\"}}]\n"));
    for (definition, help) in [
        (
            format!("{SMALL}terminateInstanceOnFailure: false\n"),
            "write `keepOnFailure: PT4H`: the instance is kept that long",
        ),
        (format!("{SMALL}instanceProfileArn: mine\n"), "write `instanceProfileName`"),
        (format!("{SMALL}subnetId: subnet-0123abcd\n"), "write `subnetIds: [subnet-…]`"),
        (
            managed("amazon-linux-2023-x86"),
            "write `parentImage: ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`",
        ),
        (
            managed("debian-12-arm64"),
            "write `parentImage: ssm:/aws/service/debian/release/12/latest/arm64` and `parentImageOwners: [\"136693071363\"]`",
        ),
        (
            managed("red-hat-enterprise-linux-9-x86"),
            "write `parentImage: {owners: [\"309956199498\"], name: \"RHEL-9.*_HVM-*-x86_64-*\"}`",
        ),
        (
            managed("windows-server-2022-english-full-base-x86"),
            "use ami-…, ssm:NAME, pipeline:NAME or {owners: […], name: …}",
        ),
        (
            component("aws:component/update-linux/x.x.x"),
            "write `name: update-linux` and `version: x.x.x`: it is among the stock components",
        ),
        (component("111122223333:component/web/1.2.x"), "write `name: web` and `version: 1.2.x`"),
        (
            component("aws:component/stig-build-linux-high/x.x.x"),
            "write `name` and `version` of a component of your own",
        ),
        (format!("{head}version: 1.0.0\n"), "write `semanticVersion`"),
        (format!("{pipeline}imageRecipeArn: x\n"), "write `imageRecipe: NAME/VERSION`"),
        (
            format!("{pipeline}imageScanningConfiguration: {{imageScanningEnabled: true}}\n"),
            "write `vulnerabilityPolicy`, which judges the packages of each image by advisories",
        ),
    ] {
        let found = refused(&[SMALL.replace("small", "other").as_str(), &definition]);
        assert_eq!(found.lines().last(), Some(format!("help: {help}").as_str()), "{definition}\n{found}");
    }
}
