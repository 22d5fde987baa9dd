"""Images in the stores of podman, buildah, skopeo and CRI-O, as the library containers/storage lays them out.

    store         one store on disk: its records, its lock files, where the files of a layer are
    records       images.json and layers.json
    tar_split     what a layer's archive was made of
    archive       the archive of a layer, put together again
    lookup        several stores as one: images by name, layers wherever they are

Nothing is ever written there.
"""
