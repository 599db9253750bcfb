//! Records to which images the parameters of a pipeline were rolled back, and when.

use goldsmith_model::{ImageRef, Name};
use serde::{Deserialize, Serialize};

use crate::store::encode;
use crate::{Key, Result, Store, Write};

/// `PIPELINE#n / POINTED#time`: a rollback of the pipeline's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointed {
    /// When it was done (RFC 3339).
    pub at: String,
    /// The image that the parameters named from then on, until a build moved them forward.
    pub image: ImageRef,
}

impl Store {
    /// Records a rollback.
    pub async fn note_pointed(&self, pipeline: &Name, pointed: &Pointed) -> Result<()> {
        let key = Key::new(format!("PIPELINE#{pipeline}"), format!("POINTED#{}", pointed.at));
        self.write(vec![Write::Put { item: encode(key, pointed)?, checks: Vec::new() }]).await
    }

    /// Returns all rollbacks of a pipeline, the oldest first.
    pub async fn pointed(&self, pipeline: &Name) -> Result<Vec<Pointed>> {
        self.read_all(&format!("PIPELINE#{pipeline}"), "POINTED#").await
    }
}
