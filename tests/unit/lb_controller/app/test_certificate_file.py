from lb_controller.app.certificate_file import CertificateFile


def test_it_has_no_path_before_it_holds_something() -> None:
    assert CertificateFile().path is None


def test_a_new_text_replaces_the_old_one_at_the_same_path_and_shorter_ones_leave_no_rest() -> None:
    file = CertificateFile()
    file.load(b"a long first text")
    path = file.path
    assert path is not None
    with path.open("rb") as old:
        file.load(b"second")
        assert old.read() == b"a long first text"
    assert file.path == path
    assert path.read_bytes() == b"second"
    file.close()
    assert file.path is None
